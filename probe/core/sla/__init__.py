"""What a contract says, computed from records. Pure, and in whole numbers wherever something is decided.

In: facts (one for each observation or unmeasured slot), a rule, declared exclusions, a period. Facts become grains by
adding up (`grains`); all else is decided from grains (`figures`), and from spans of trouble (`incidents`). Out: the
figures literal, shown, best and worst, a word of three, and incidents. docs/decisions/0021 says why it is so.
"""
