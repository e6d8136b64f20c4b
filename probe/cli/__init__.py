"""The command line. In: what was typed. Out: text or JSON on standard output, words on standard error, an exit code.

`main` puts the commands together. `commands` and `results` say what may be typed, and load nothing for it but click;
`actions` do what was asked, and are loaded once it is asked (`loading`); `render` turns values into tables and text.
`options` has the options that several commands share.
"""
