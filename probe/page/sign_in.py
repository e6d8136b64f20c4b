"""Where a token is typed, once; and the page of what went wrong."""

from __future__ import annotations

from htpy import a, button, div, form, label, p
from htpy import input as input_

from probe.page.look.pieces import plain
from probe.page.look.shell import document
from probe.page.look.words import Tongue
from probe.page.model.values import Looking


def sign_in(looking: Looking, problem: str | None = None) -> str:
    """The form. `problem`: why the last try was refused, a phrase of the list."""
    say = Tongue(looking.language)
    return document(
        say("Sign in"),
        div(".signin")[
            p(".alarm", role="alert")[say(problem)] if problem is not None else None,
            form(method="post", action=_at(looking.language), autocomplete="off")[
                label(for_="credential")[say("Token")],
                input_(
                    type="password",
                    id="credential",
                    name="credential",
                    required=True,
                    maxlength="200",
                    autocomplete="off",
                    autofocus=True,
                ),
                button(type="submit")[say("Sign in")],
            ],
            p(".small.dim")[
                say("The token that `cdn-probe token NAME` made. It is sent once, and kept nowhere.")
            ],
            p(".small")[a(href="/")[say("I have signed in already: go on")]],
        ],
        looking,
        None,
        to_language=_at,
    )


def wrong(looking: Looking, name: str, words: str) -> str:
    """An answer that is no page: what went wrong. `name`: its status code; `words`: of the server, in English."""
    say = Tongue(looking.language)
    said = say(_WRONG[name]) if say.zh and name in _WRONG else None
    return document(
        plain(name),
        [
            p(".alarm", role="alert")[plain(words) if said is None else said],
            p(".small.dim", lang="en")[plain(words)] if said is not None else None,
        ],
        looking,
        None,
        home="/",
        to_language=_home,
    )


_WRONG = {
    "403": "not allowed to this token or this form",
    "404": "nothing here that this token may see",
    "405": "this path takes another method",
    "429": "asked too often: the page comes back by itself",
    "500": "the server made a mistake; its log says which",
    "503": "not to be had at this moment: try again a little later",
}


def _at(language: str) -> str:
    return f"/sign-in?lang={language}"


def _home(language: str) -> str:
    return f"/?lang={language}"
