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
    """An answer that is no page, in words."""
    return document(
        plain(name), p(".alarm", role="alert")[plain(words)], looking, None, home="/", to_language=_home
    )


def _at(language: str) -> str:
    return f"/sign-in?lang={language}"


def _home(language: str) -> str:
    return f"/?lang={language}"
