"""`python -m tests.codes.write`: the sentences of docs/verdicts.md, made anew."""

from tests.codes.page import PAGE, whole_page

if __name__ == "__main__":
    PAGE.write_text(whole_page(), encoding="utf-8")
