"""What is beside a page of lines: time stamps of the stream, the page that comes next. In: what a host gave."""
