"""The page: what people look at when they are called, as HTML without anything from elsewhere.

In: values of `model` (sums by five minutes, incidents, rows). Out: HTML in English or Chinese. Pure: whoever
reads a store or a copy feeds it. Elements are made by htpy, which escapes whatever is put into them.
"""
