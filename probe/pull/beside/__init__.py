"""What is pulled beside the lines of a stream: time stamps. In: what a host gave. Out: files of the copy."""
