"""Colours and fonts of the reports: one style sheet for the page, one for a figure in a file of its own.

The rules of the charts use no custom properties, because programs that place an SVG in a document (librsvg, Inkscape)
do not resolve them. Text has a contrast of 4.5 or more in both modes, marks of 3 or more (WCAG 2.2).
"""

from __future__ import annotations

from typing import Final

from emosense.emotions import EMOTIONS

# Emotions of a user's own take these in turn.
_OWN: Final = ("own0", "own1", "own2", "own3")
# Series that are not of `EMOTIONS`: the models of a comparison, recordings without a label, the cells of a matrix.
COMPARED: Final = ("first", "second", "third")
_SERIES: Final = (*COMPARED, "none", "heat", *_OWN)

LIGHT: Final[dict[str, str]] = {
    "page": "#ffffff", "panel": "#f6f7f9", "ink": "#1b1f24", "muted": "#57606a", "grid": "#d8dde3",
    "warn": "#fff4d6", "warn_edge": "#9a6b00", "link": "#1f5fbf",
    "first": "#2563b0", "second": "#c2570c", "third": "#2b7a5a", "none": "#2f363d", "heat": "#2563b0",
    "neutral": "#858e98", "calm": "#1691a6", "happy": "#b58300", "sad": "#3b5fc0",
    "angry": "#c8322f", "fearful": "#8a4bb8", "disgust": "#4b8b2b", "surprised": "#d6560f",
    "own0": "#8a5a2b", "own1": "#b0307a", "own2": "#2b7a5a", "own3": "#5a4fc8",
}  # fmt: skip
DARK: Final[dict[str, str]] = {
    "page": "#12151a", "panel": "#1a1e25", "ink": "#e6e9ed", "muted": "#a2acb9", "grid": "#39414c",
    "warn": "#33290f", "warn_edge": "#d9a93a", "link": "#85b6ff",
    "first": "#74abf5", "second": "#f29a57", "third": "#68c9a0", "none": "#66707d", "heat": "#3a78cf",
    "neutral": "#a9b2bd", "calm": "#4fc3d6", "happy": "#e6b93c", "sad": "#8aa4f2",
    "angry": "#f07a74", "fearful": "#c394ea", "disgust": "#8cc96a", "surprised": "#f5925a",
    "own0": "#cfa06f", "own1": "#ee86c0", "own2": "#68c9a0", "own3": "#a9a2f5",
}  # fmt: skip

_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans','DejaVu Sans',sans-serif"


def emotion_colour(place: int) -> str:
    """Return the colour of an emotion.

    Parameters
    ----------
    place : int
        Its index in `EMOTIONS`, or beyond it for one of a user's own.

    Returns
    -------
    str
        A key of the style's colours.
    """
    return EMOTIONS[place] if place < len(EMOTIONS) else _OWN[(place - len(EMOTIONS)) % len(_OWN)]


def chart_css(colours: dict[str, str]) -> str:
    """Return the rules of the charts in one colour scheme.

    Parameters
    ----------
    colours : dict[str, str]
        Colours by name.

    Returns
    -------
    str
        CSS rules.
    """
    series = "".join(
        f".f-{name}{{fill:{colours[name]}}}.l-{name}{{stroke:{colours[name]}}}" for name in (*EMOTIONS, *_SERIES)
    )
    return (
        f"svg text{{font:11px {_FONT};fill:{colours['ink']}}}"
        f"svg .minor{{fill:{colours['muted']}}}svg .strong{{font-weight:600}}"
        f"svg .end{{text-anchor:end}}svg .middle{{text-anchor:middle}}"
        f"svg .grid{{stroke:{colours['grid']};stroke-width:1}}svg .axis{{stroke:{colours['muted']};stroke-width:1}}"
        f"svg .track{{fill:{colours['grid']};fill-opacity:.45}}"
        f"svg .whisker{{stroke:{colours['ink']};stroke-width:1.2;stroke-opacity:.75}}"
        f"svg .mark{{stroke:{colours['muted']};stroke-width:1;stroke-dasharray:4 3}}"
        f"svg .gap{{stroke:{colours['panel']};stroke-width:1}}"
        f"svg .line{{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}}"
        f"svg .faint{{stroke-width:1;stroke-opacity:.3}}svg .spread{{stroke-width:4;stroke-opacity:.3}}"
        f"svg .soft{{fill-opacity:.5}}svg .area{{fill-opacity:.14}}"
        f".pause{{fill:{colours['grid']}}}.spoken{{fill:{colours['page']}}}"
        f".cursor{{stroke:{colours['ink']};stroke-width:2}}"
        f"{series}"
    )


def figure_css() -> str:
    """Return the style sheet of a figure file: light, on white, for print.

    Returns
    -------
    str
        CSS rules.
    """
    return chart_css(LIGHT | {"panel": LIGHT["page"]}) + f".ground{{fill:{LIGHT['page']}}}"


def _page_colours(colours: dict[str, str]) -> str:
    return (
        f"body{{background:{colours['page']};color:{colours['ink']}}}"
        f"a{{color:{colours['link']}}}.muted,figcaption p,dt,th,.rest{{color:{colours['muted']}}}"
        f"figure,dl.key-values>div,.clip,.player{{background:{colours['panel']}}}"
        f"th,td{{border-color:{colours['grid']}}}h2{{border-color:{colours['grid']}}}"
        f".warning{{background:{colours['warn']};border-color:{colours['warn_edge']}}}"
        + "".join(f".t-{name}::before{{background:{colours[name]}}}" for name in EMOTIONS)
        + chart_css(colours)
    )


# Boxes in two rows of about the same length, where one row holds eight.
_BALANCED: Final = "".join(f".by-{n}{{grid-template-columns:repeat({n},1fr)}}" for n in (5, 6, 7, 8))
# The sentence of a figure with a row of its own is beside its drawing.
_BESIDE: Final = (
    "{0}{{display:grid;gap:2rem;grid-template-columns:minmax(0,{1}) minmax(10rem,1fr)}}{0}>figcaption{{order:1}}"
)
# Where two columns fit, the last of an odd number of figures and tables has a row of its own.
_ODD: Final = ".of-3>:last-child:nth-child(odd)"
_OWN_ROW: Final = f"{_ODD}{{column-span:all;margin-top:1rem}}{_ODD}>table{{width:100%}}"
# As wide as the drawings above it.
_HALF: Final = "calc(50% - 1.5rem)"
_LAYOUT: Final = f"""
*{{box-sizing:border-box}}
html{{color-scheme:light dark;-webkit-text-size-adjust:100%}}
body{{margin:0;font:16px/1.5 {_FONT};font-variant-numeric:tabular-nums}}
header,main,footer{{max-width:94rem;margin:0 auto;padding:0 clamp(1rem,3vw,2.5rem)}}
header{{padding-top:2rem}}footer{{padding-top:2rem;padding-bottom:2rem;font-size:.875rem}}
h1{{font-size:clamp(1.5rem,1.1rem + 1.6vw,2.2rem);line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere}}
h2{{font-size:1.3rem;line-height:1.3;margin:2.6rem 0 1rem;padding-top:1rem;border-top:1px solid}}
h3{{font-size:1rem;line-height:1.35;margin:0 0 .2rem}}
p{{margin:0 0 .8rem;max-width:46rem}}
.name{{overflow-wrap:anywhere}}
.warning{{border-left:4px solid;padding:.7rem 1rem;margin:1rem 0;border-radius:0 6px 6px 0;max-width:60rem}}
.warning p{{margin:0}}
.key-values{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,9.5rem),1fr));gap:.75rem;
margin:1.5rem 0}}
dl.key-values>div{{border-radius:8px;padding:.7rem .9rem}}
dt{{font-size:.8125rem;line-height:1.3}}dd{{margin:.15rem 0 0;font-size:1.1rem;font-weight:600;line-height:1.3;
overflow-wrap:anywhere}}
dd small{{display:block;font-size:.8125rem;font-weight:400;line-height:1.35;margin-top:.15rem}}
.figures{{columns:22rem 3;column-gap:1rem;margin:1rem 0}}.of-2{{column-count:2}}.of-1{{column-count:1}}
.figures>*{{break-inside:avoid;margin:0 0 1rem}}
figure{{margin:0;padding:.9rem 1rem;border-radius:8px;min-width:0}}
.of-1>figure{{max-width:35rem}}
@media(min-width:60rem){{.of-2>figure{{max-width:35rem}}.of-2:not(:has(.scroll,dl)){{max-width:73rem}}}}
@media(min-width:47.9rem) and (max-width:72.3rem){{{_OWN_ROW}{_BESIDE.format(f"{_ODD}:is(figure)", _HALF)}}}
figcaption p{{font-size:.875rem;line-height:1.45;margin:0 0 .7rem}}
figure svg{{display:block;width:100%;max-width:33rem;height:auto}}
.scroll{{overflow-x:auto;margin:1rem 0}}
table{{border-collapse:collapse;font-size:.875rem;line-height:1.4}}
caption{{text-align:left;font-weight:600;padding-bottom:.35rem}}
th,td{{text-align:right;padding:.28rem .55rem;border-bottom:1px solid;vertical-align:top;white-space:nowrap}}
th{{font-weight:500}}
th:first-child,td:first-child{{text-align:left;padding-left:0;white-space:normal}}
tbody th{{color:inherit}}
td.words,th.words{{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:8rem}}
.clips{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.75rem;list-style:none;
padding:0;margin:.8rem 0}}
.clip{{border-radius:8px;padding:.6rem .8rem;font-size:.875rem;min-width:0}}
.clip audio{{display:block;width:100%;height:2.25rem;margin-top:.4rem}}
.clip .name{{display:block}}
.clip strong::before{{content:"";display:inline-block;width:.65em;height:.65em;border-radius:50%;margin-right:.35em}}
.figures>.scroll{{padding:.9rem 0 0}}.figures>dl{{grid-template-columns:repeat(auto-fill,minmax(min(100%,8.5rem),1fr))}}
.figures>.scroll table{{font-size:.8125rem}}
.figures>.scroll :is(th,td){{padding-left:.3rem;padding-right:.3rem;white-space:normal}}
.figures>.scroll :is(th,td):first-child{{padding-left:0}}
.figures>.scroll thead th{{vertical-align:bottom}}
@media(max-width:82rem){{.figures>.scroll :is(th,td){{padding-left:.15rem;padding-right:.15rem}}}}
.figures>.scroll .words{{min-width:4.5rem;padding-left:1rem}}
@media(min-width:76rem){{.figures>.scroll td:not(.words,:first-child){{white-space:nowrap}}{_BALANCED}}}
details .scroll tbody th{{overflow-wrap:anywhere}}
.figures>.scroll table:has(.words) tbody th{{overflow-wrap:anywhere;min-width:4rem}}
.recording{{margin:1rem 0;scroll-margin-top:.5rem}}.recording .player{{position:sticky;top:0;z-index:1;padding:.3rem 0}}
.recording audio{{display:block;width:100%;max-width:40rem;height:2.25rem}}
.line{{display:grid;grid-template-columns:4rem minmax(0,1fr);gap:.5rem;margin:.5rem 0 0;break-inside:avoid}}
figure .line svg{{width:100%;max-width:none;overflow:visible}}
.line .names text{{font-size:10px}}.line .short{{display:none}}
.playable .plot{{cursor:pointer}}.bar:hover{{stroke:currentColor;stroke-width:1.5}}
.bar:focus-visible{{outline:none;stroke:currentColor;stroke-width:2.5}}
.moments ol{{margin:.3rem 0 0;padding-left:1.4rem}}.moments li{{margin:.25rem 0}}.moments h3{{margin:0}}
button{{font:inherit;color:inherit;background:none;border:1px solid;border-radius:4px;padding:0 .35rem;cursor:pointer}}
@media(max-width:40rem){{.line{{grid-template-columns:1.7rem minmax(0,1fr)}}.line .fine,.line .long{{display:none}}
.line .short{{display:inline}}}}
details{{margin:.6rem 0}}summary{{cursor:pointer}}
details ul{{margin:.3rem 0 .8rem;padding-left:1.2rem;font-size:.875rem}}
@media(max-width:32rem){{.key-values{{grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.5rem}}
table{{font-size:.8125rem}}:is(th,td),thead th{{white-space:normal;padding-left:.2rem;padding-right:.2rem}}
thead th{{vertical-align:bottom}}:is(th,td):first-child{{min-width:4.2rem}}td.words,th.words{{min-width:5rem}}}}
@media(max-width:28rem){{:is(table,.figures>.scroll table){{font-size:.75rem}}
.scroll :is(th,td):first-child{{min-width:2.75rem}}
.scroll thead th{{font-size:.6875rem}}}}
"""
_PRINT: Final = (
    "@media print{audio{display:none!important}figure,.clip,tr,dl.key-values>div{break-inside:avoid}"
    "h2,h3{break-after:avoid}body{font-size:11pt}header,main,footer{max-width:none;padding-left:0;padding-right:0}.scroll{overflow:visible}"
    # A figure of its own stays with its heading, and a long one fits on a page.
    f".figures{{columns:2}}.of-1{{columns:auto}}{_OWN_ROW}"
    + _BESIDE.format(f":is(.of-1>figure,{_ODD}:is(figure))", "20rem")
    + ".figures>.scroll table{font-size:7.5pt}"
    ".figures>.scroll td:not(.words){white-space:nowrap}}"
)


def page_css() -> str:
    """Return the style sheet of a page: dark if the reader's system is dark, light on paper.

    Returns
    -------
    str
        CSS rules.
    """
    dark = f"@media screen and (prefers-color-scheme:dark){{{_page_colours(DARK)}}}"
    return _LAYOUT + _page_colours(LIGHT) + dark + _PRINT
