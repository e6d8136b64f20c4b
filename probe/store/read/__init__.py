"""Reading all parts of the store as one.

In: a directory. Out: pages of lines in order (`lines`), filtered lists of rows (`listing`), sums of five minutes
(`grains`), and everything else that
`reader.Reader` offers. `sources` keeps few files open at a time.
"""
