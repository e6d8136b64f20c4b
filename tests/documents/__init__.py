"""The documents as a whole: links and anchors, the start page, the site, Chinese pages, what is said of messages."""
