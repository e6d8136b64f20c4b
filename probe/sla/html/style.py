"""How the page looks, on a screen and on paper."""

# Told apart without colours too, as a printer in grey has them: light, middle, dark, and two hatchings (`HATCHED`).
COLOURS = {
    "good": "#c3e3cf",
    "bad": "#d99a2b",
    "shown": "#8e1a12",
    "unknown": "#7b828c",
    "excluded": "#54719f",
}
HATCHED = {"unknown": 90, "excluded": 45}  # degrees of the lines


def swatch(state: str) -> str:
    """The background of a field of a legend."""
    colour = COLOURS[state]
    if state not in HATCHED:
        return f"background:{colour}"
    return f"background:repeating-linear-gradient({180 - HATCHED[state]}deg,{colour} 0 1.5px,#fff 1.5px 4px)"


CSS = """
:root { color-scheme: light; --ink: #1d2430; --dim: #5c6675; --line: #d9dee5; --paper: #fff; --tint: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 15px/1.55 "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; padding-top: 1.2rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p, ul { margin: .35rem 0; }
.dim { color: var(--dim); }
.small { font-size: .86rem; }
.word { display: inline-block; padding: .12rem .65rem; border-radius: .25rem; color: #fff; font-weight: 650; }
.word.breach { background: #b3271e; } .word.kept { background: #2c7a4b; } .word.open { background: #8a6d1a; }
.alarm { border: 2px solid #b3271e; padding: .6rem .9rem; margin: 1rem 0; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--dim); font-size: .86rem; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.key, .key { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .82rem; overflow-wrap: break-word; }
.long { overflow-wrap: anywhere; } .whole { white-space: nowrap; }
tr.main td { font-weight: 650; background: var(--tint); }
svg { display: block; width: 100%; height: auto; margin: .4rem 0; }
svg text { font: 11px sans-serif; fill: #5c6675; }
.legend span { display: inline-block; margin-right: 1.1rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -.08rem;
  border: 1px solid var(--dim); }
span.time { white-space: nowrap; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--dim); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media screen and (max-width: 44rem) {
  body { padding: 1rem 1rem 3rem; font-size: 14px; }
  table { display: block; overflow-x: auto; }
  th, td { min-width: 4.6rem; } td.n, th.n { min-width: 3.2rem; }
  td.key, .key, .long { overflow-wrap: normal; }
  .word { white-space: nowrap; }
  svg text { font-size: 20px; } svg.strip text[text-anchor="middle"] { display: none; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2 { break-before: auto; } h2, h3 { break-after: avoid; } tr, svg { break-inside: avoid; }
  details::details-content { content-visibility: visible; } svg text { font-size: 16px; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@page { margin: 16mm; }
"""
