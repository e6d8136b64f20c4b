"""How the page looks: light and dark, on a phone, on a wall, on paper. All colours are beside a sign or a hatching."""

from __future__ import annotations

import base64
import hashlib

CSS = """
:root{color-scheme:light dark;--ink:#1b2430;--dim:#55606f;--line:#d5dbe3;--paper:#fff;--tint:#f3f5f8;--link:#0b57a4;
--alarm:#b3261e;--ok:#3f9c68;--slow:#e0a100;--stale:#8e6bbf;--cdn:#c62828;--path:#c2185b;--customer:#8d5a2b;
--origin:#3f51b5;
--blame:#37474f;--ours:#00838f;--grey:#8a94a3;--decl:#1976d2}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--dim:#a4afbf;--line:#333c49;--paper:#12161c;--tint:#1b212a;
--link:#8ab8ff;
--alarm:#ff8a80;--ok:#3c8a60;--slow:#d9a21b;--stale:#a487d6;--cdn:#ef5350;--path:#ec6a9c;--customer:#b98552;
--origin:#7c8cf0;
--blame:#90a4ae;--ours:#26a6b3;--grey:#76808f;--decl:#64b5f6}}
*{box-sizing:border-box}
body{margin:0 auto;padding:.9rem 1.2rem 3rem;max-width:1240px;background:var(--paper);color:var(--ink);
font:15px/1.5 "Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.3rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}h3{font-size:.95rem;margin:1.1rem 0 .3rem}
p,ul{margin:.3rem 0}a{color:var(--link)}a:focus-visible,summary:focus-visible,button:focus-visible,
input:focus-visible,
[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
.dim{color:var(--dim)}.small{font-size:.85rem}.mono,code,pre{font-family:ui-monospace,"DejaVu Sans Mono",monospace;
font-size:.82rem}
header{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;align-items:baseline}
header nav,.bar{display:flex;flex-wrap:wrap;gap:.2rem .8rem;align-items:baseline}
[aria-current]{font-weight:700;color:var(--ink);text-decoration:none}
.standing{border:1px solid var(--line);background:var(--tint);padding:.35rem .7rem;margin:.5rem 0;font-size:.88rem;
display:flex;flex-wrap:wrap;gap:.1rem 1.2rem}
.alarm{border:2px solid var(--alarm);padding:.4rem .7rem;margin:.5rem 0;font-weight:600}
.alarm[hidden]{display:none}
label{white-space:nowrap}
.incidents{list-style:none;padding:0}.incidents li{border-left:5px solid var(--grey);padding:.15rem .7rem;
margin:.4rem 0}
.incidents li.failed{border-color:var(--cdn)}.incidents li.stale{border-color:var(--stale)}
.incidents li.slow{border-color:var(--slow)}
.sign{display:inline-block;min-width:1.25rem;text-align:center;font-weight:700;border:1px solid currentColor;
border-radius:.2rem;
font-size:.8rem;line-height:1.15rem;margin-right:.35rem}
button,select,input[type=text],input[type=search],input[type=password]{font:inherit;color:inherit;
background:var(--paper);
border:1px solid var(--grey);border-radius:.25rem;padding:.15rem .55rem}
.board{overflow-x:auto;direction:rtl}.board>*{direction:ltr;min-width:max-content}
.row,summary{display:grid;grid-template-columns:15.5rem auto;gap:0 .6rem;align-items:center}
summary{cursor:pointer;list-style:none;border-top:1px solid var(--line);padding:.15rem 0}
summary::-webkit-details-marker{display:none}
.name{position:sticky;left:0;background:var(--paper);padding-right:.4rem;max-width:15.5rem}
.one>summary{grid-template-columns:auto}.one .name{max-width:none}
.name b::before{content:"\\25B8\\A0"}
details[open]>summary .name b::before{content:"\\25BE\\A0"}.row .name{padding-left:1.1rem;font-size:.85rem}
.inside{padding-bottom:.6rem}.inside p{position:sticky;left:1.1rem;width:max-content;max-width:90vw;
padding-left:1.1rem}
svg{display:block}svg text{font:700 9px sans-serif;fill:var(--ink)}svg.axis text{font-weight:400;fill:var(--dim)}
svg.axis path{stroke:var(--dim)}svg.h{width:864px;height:27px;
background:repeating-linear-gradient(90deg,var(--grey) 0 1px,transparent 1px 4px) 0 15px/
100% 2px no-repeat}svg.h rect{y:10px;height:13px}svg.h .x{y:24px;height:3px;fill:var(--decl)}
.o{fill:var(--ok)}.p{fill:url(#qp)}.s{fill:var(--slow)}.t{fill:var(--stale)}.c{fill:var(--cdn)}
.w{fill:var(--path)}
.k{fill:var(--customer)}.g{fill:var(--origin)}.u{fill:var(--blame)}.v{fill:url(#qv)}.a{fill:url(#qa)}
.i{fill:url(#qi)}.m{fill:url(#qm)}
.S{fill:url(#qs)}.T{fill:url(#qt)}.C{fill:url(#qc)}.W{fill:url(#qw)}.K{fill:url(#qk)}.G{fill:url(#qg)}
.U{fill:url(#qu)}
.defs{position:absolute;width:0;height:0}pattern line,pattern path{stroke-width:1.4}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;list-style:none;padding:0}.legend svg.h{width:22px;
display:inline-block;
vertical-align:-.5rem;margin-right:.3rem}
table{border-collapse:collapse;margin:.4rem 0;font-variant-numeric:tabular-nums;max-width:100%}
caption{text-align:left}
th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top;
font-size:.88rem}
th{color:var(--dim);font-weight:600;white-space:nowrap}td.n,th.n{text-align:right;white-space:nowrap}
.wide{overflow-x:auto}.wide table{max-width:none}td{min-width:6.5rem}td.n{min-width:0}td a{white-space:nowrap}
td.mono{min-width:9.5rem}td:last-child{min-width:12rem}td.n:last-child{min-width:0}
pre{background:var(--tint);padding:.5rem .7rem;white-space:pre-wrap;margin:.3rem 0}
.tree,.tree ul{list-style:none;padding-left:1.1rem;border-left:1px solid var(--line)}
.curves{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem}.curve h3{margin:.3rem 0 0}svg.lines{width:384px;
max-width:100%;height:auto}
svg.lines text{font-weight:400;fill:var(--dim)}svg.lines path{fill:none;stroke-linecap:round;stroke:var(--grey)}
svg.lines .p50{stroke:var(--link);
stroke-width:2.2}svg.lines .p95{stroke:var(--cdn);stroke-width:1.4;stroke-dasharray:4 2}.hit{fill:transparent}
.fall .dns,.dns{fill:var(--grey);background:var(--grey)}.connect{fill:var(--slow);background:var(--slow)}
.tls{fill:var(--stale);background:var(--stale)}.wait{fill:var(--ok);background:var(--ok)}
.body{fill:var(--origin);background:var(--origin)}.swatch{display:inline-block;width:.8rem;height:.8rem}
.signin{max-width:26rem;margin:4rem auto}.signin input{width:100%;margin:.3rem 0 .7rem}
footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.5rem}
@media(max-width:700px){body{padding:.6rem .7rem 2rem}.row,summary{grid-template-columns:auto}.name{max-width:92vw;
width:max-content}}
@media(min-width:1700px){body{max-width:1640px}.board svg{zoom:1.5}}
@media print{body{max-width:none;padding:0;font-size:9.5pt}.board,.wide{overflow:visible}
header form,.bar form,button,.skip{display:none}
details>*{display:block}.board svg{zoom:.7}.row,summary{grid-template-columns:38mm auto}
.name{max-width:38mm}
tr,li,summary,.row{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@page{size:A4 landscape;margin:12mm}
"""


def digest_of(text: str) -> str:
    """As a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _hatched(name: str, lines: str, size: int = 6, fill: str = "none", under: str = "") -> str:
    return (
        f'<pattern id="{name}" width="{size}" height="{size}" patternUnits="userSpaceOnUse">{under}'
        f'<path d="{lines}" class="{fill}"/></pattern>'
    )


def _halved(name: str, of: str) -> str:
    """The lower half in its colour, the upper one well."""
    return (
        f'<pattern id="{name}" width="9" height="27" patternUnits="userSpaceOnUse">'
        f'<path class="o" d="M0 10h9v6h-9z"/><path class="{of}" d="M0 16h9v7h-9z"/></pattern>'
    )


PATTERNS = (
    '<svg class="defs" aria-hidden="true"><defs>'
    + _hatched("qp", "M0 6L6 0", 6, "sp", '<path class="o" d="M0 0h6v6H0z"/>')
    + _hatched("qi", "M0 6L6 0", 6, "sg")
    + _hatched("qm", "M0 6L6 0M0 0L6 6", 6, "sg")
    + _hatched("qv", "M3 0V6", 6, "sp", '<path class="fo" d="M0 0h6v6H0z"/>')
    + _hatched("qa", "M0 3H6", 6, "sp", '<path class="fo" d="M0 0h6v6H0z"/>')
    + "".join(_halved(f"q{of}", of) for of in "stcwkgu")
    + "</defs></svg>"
)
CSS += ".sp{stroke:var(--paper);fill:none}"
CSS += ".sg{stroke:var(--grey);fill:none}.fo{fill:var(--ours)}\n"
