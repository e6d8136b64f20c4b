"""How the page looks and speaks: words in two languages, style, script, the strip of cells, pieces of all pages."""
