"""The pages in a real browser."""

from __future__ import annotations

import html.parser
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_pages import (
    HOSTILE,
    feature_table,
    labels_page,
    made_evaluation,
    made_robustness,
    made_rows,
    manifest_of,
    write_table,
)

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.reports import comparison_report, evaluation_report, label_report, segment_report
from emosense.tables.formats import TableLayout
from emosense.tables.row import Row, error_row, labelled_row

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def browser() -> Callable[..., str]:
    """Run headless Chromium and return its standard output."""
    if os.environ.get("EMOSENSE_NO_BROWSER"):
        pytest.skip("EMOSENSE_NO_BROWSER is set: no page is looked at in a browser")
    if not CHROMIUM.exists():
        pytest.fail(
            f"{CHROMIUM} is missing, and the reports are tested in a browser: apt-get install chromium, "
            "or set EMOSENSE_NO_BROWSER=1 to go without"
        )

    def run(folder: Path, page: Path, *flags: str, is_dark: bool = False) -> str:
        profile = folder / f"profile-{len(list(folder.glob('profile-*')))}"
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
            "--enable-logging=stderr",
            "--allow-file-access-from-files", f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={0 if is_dark else 1}", *flags, page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90)
        assert "Content Security Policy" not in done.stderr
        return done.stdout

    return run


# Headless Chromium has no window below 500 px, so that a page is shown in a frame of the wanted width.
HARNESS = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><style>body{margin:0}iframe{border:0}</style>
FRAMES<script>
function luminance(c){return c.map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4})
  .reduce((s,v,i)=>s+v*[.2126,.7152,.0722][i],0)}
function rgb(text){return text.match(/[\\d.]+/g).map(Number)}
function contrast(a,b){const [x,y]=[luminance(a),luminance(b)].sort((p,q)=>q-p);return (x+.05)/(y+.05)}
function ground(view,e){for(;e;e=e.parentElement){const c=rgb(view.getComputedStyle(e).backgroundColor);
  if(c.length<4||c[3]>0)return c.slice(0,3)}return null}
function cell(view,e){const box=e.parentElement.querySelector('.f-heat');
  if(!box||e.parentElement.tagName!='g')return null;
  const under=ground(view,e),top=rgb(view.getComputedStyle(box).fill),share=Number(box.getAttribute('fill-opacity'));
  return under.map((v,i)=>v*(1-share)+top[i]*share)}
function look(frame){const view=frame.contentWindow,page=view.document,root=page.documentElement;
  const found={width:root.clientWidth,scroll:root.scrollWidth,clipped:[],pale:[],texts:0,wide:[],cut:[],
    ground:view.getComputedStyle(page.body).backgroundColor};
  for(const svg of page.querySelectorAll('figure svg')){const frame=svg.getBoundingClientRect();
    for(const text of svg.querySelectorAll('text')){const box=text.getBoundingClientRect();
      if(box.width&&(box.left<frame.left-1||box.right>frame.right+1||box.top<frame.top-1||box.bottom>frame.bottom+1))
        found.clipped.push(text.textContent)}}
  for(const e of page.querySelectorAll('text,p,h1,h2,h3,td,th,dt,dd,small,li,summary,caption,bdi')){found.texts+=1;
    const style=view.getComputedStyle(e),ink=rgb(e.tagName=='text'?style.fill:style.color).slice(0,3);
    const under=(e.tagName=='text'&&cell(view,e))||ground(view,e);
    if(under&&contrast(ink,under)<4.5)found.pale.push(e.tagName+' '+e.textContent+' '+contrast(ink,under))}
  for(const e of page.querySelectorAll('figure,.clip,dl,p,h1'))
    if(e.getBoundingClientRect().right>root.clientWidth+1)found.wide.push(e.textContent);
  for(const e of page.querySelectorAll('.scroll'))
    if(e.scrollWidth>e.clientWidth+1)found.cut.push(e.textContent);
  return found}
onload=()=>{const out=document.createElement('pre');out.id='found';
  out.textContent=JSON.stringify([...document.querySelectorAll('iframe')].map(look));document.body.append(out)}
</script>"""
NAMES = ("labels", "evaluation", "comparison", "segments")
WIDTHS = [(360, False), (360, True), (800, False), (1600, True)]


def write_harness(folder: Path, frames: list[tuple[Path, int]], height: int) -> Path:
    """Write a page that shows others, each in a frame of its width."""
    path = folder / "harness.html"
    shown = (f'<iframe src="{page.as_uri()}" width="{width}" height="{height}"></iframe>' for page, width in frames)
    path.write_text(HARNESS.replace("FRAMES", "".join(shown)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def findings(
    pages: dict[str, Path], browser: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int, bool], dict[str, object]]:
    """What is found in each page at each width: the browser starts once for the light pages and once for the dark."""
    found: dict[tuple[str, int, bool], dict[str, object]] = {}
    for is_dark in (False, True):
        folder = tmp_path_factory.mktemp("looked-at")
        places = [(name, width) for name in NAMES for width, dark in WIDTHS if dark == is_dark]
        harness = write_harness(folder, [(pages[name], width) for name, width in places], 900)
        dom = browser(folder, harness, "--window-size=1600,900", "--dump-dom", is_dark=is_dark)
        shown = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
        assert shown is not None
        for (name, width), of_page in zip(places, json.loads(html.unescape(shown[1])), strict=True):
            found[name, width, is_dark] = of_page
    return found


def timeline_rows() -> list[Row]:
    """Segments of twelve recordings of several lengths, with pauses, two channels and hostile names."""
    rows = []
    for number, name in enumerate((*HOSTILE, *(f"call {n}.wav" for n in range(12 - len(HOSTILE))))):
        for place in range(4 + 30 * number):
            if place % 7 == 3:
                continue
            emotion, confidence = (place * 3 + number) % len(EMOTIONS), 0.3 + 0.6 * (place % 5) / 4
            shares = [confidence if each == emotion else (1 - confidence) / 7 for each in range(len(EMOTIONS))]
            start_s = 10.0 * place
            row = labelled_row(name, shares, 10.0, 10.0, start_s=start_s, end_s=start_s + 10.0, speech_s=6.0)
            rows.append(row)
    return rows


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, with long and hostile names, all eight emotions and much to show."""
    folder = tmp_path_factory.mktemp("pages")
    rows = made_rows(400, names=HOSTILE)
    rows += [error_row(name, RecordingError("empty", "no samples in " + "x" * 90)) for name in HOSTILE]
    table = write_table(folder / "labels.csv", rows)
    (folder / "m.json").write_text(json.dumps(manifest_of(rows)))
    label_report(table, str(folder / "m.json"), str(folder / "labels.html"))
    fair = {name: {"mean": 0.3, "sd": 0.01} for name in ("uar", "accuracy", "macro_f1")}
    leak = {"speaker_independent": fair, "gap": dict.fromkeys(fair, 0.31)}
    robustness = made_robustness(made_evaluation(folder / "clean"))
    about = {"kind": "mlp", "speaker_independent": False, "leak_gap": leak, "robustness": robustness}
    segments = write_table(folder / "segments.csv", timeline_rows(), TableLayout(frozenset({"segments"})))
    segment_report(segments, str(folder / "segments.html"))
    a = made_evaluation(folder / "a", skill=1.8, **about)
    b = made_evaluation(folder / "b", seed=1, n_actors=24, n_seeds=3)
    c = made_evaluation(folder / "c", seed=2, kind="transfer")
    features = feature_table(folder / "f.parquet", 1.0, 60)
    evaluation_report(str(a.folder), str(folder / "evaluation.html"), features)
    comparison_report([str(each.folder) for each in (a, b, c)], str(folder / "comparison.html"))
    return {name: folder / f"{name}.html" for name in NAMES}


@pytest.mark.parametrize(("width", "is_dark"), WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window_and_can_be_read(
    name: str, width: int, is_dark: bool, findings: dict[tuple[str, int, bool], dict[str, object]]
) -> None:
    found = findings[name, width, is_dark]
    assert found["width"] == width
    assert found["scroll"] == width, "the page scrolls sideways"
    assert int(str(found["texts"])) > 80
    assert found["clipped"] == []
    assert found["wide"] == []
    assert found["cut"] == [], "a table does not fit"
    assert found["pale"] == []
    assert found["ground"] == ("rgb(18, 21, 26)" if is_dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_a_page_is_drawn(
    width: int, is_dark: bool, pages: dict[str, Path], browser: Callable[..., str], tmp_path: Path
) -> None:
    harness = write_harness(tmp_path, [(pages["labels"], width)], 2000)
    picture = tmp_path / "picture.png"
    browser(tmp_path, harness, f"--window-size={max(width, 500)},2000", f"--screenshot={picture}", is_dark=is_dark)
    content = picture.read_bytes()
    # The first pixel is stored as it is, whatever the filter: there is nothing left of it or above it.
    data = b"".join(re.findall(rb"IDAT(.*?)....(?=.{4}I[DE])", content, re.S)) or content[content.index(b"IDAT") + 4 :]
    first = zlib.decompressobj().decompress(data, 8)[1:4]
    assert content[16:24] == max(width, 500).to_bytes(4) + (2000).to_bytes(4)
    assert tuple(first) == ((18, 21, 26) if is_dark else (255, 255, 255))
    assert len(content) > 40_000


class Answers(http.server.BaseHTTPRequestHandler):
    """Keeps a page loading (/wait) until its script has said what it found (/found?...)."""

    found: str
    said: threading.Event

    def do_GET(self) -> None:
        if self.path.startswith("/found?"):
            type(self).found = urllib.parse.unquote(self.path.partition("?")[2])
            self.said.set()
        self.said.wait(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_a_recording_is_played_from_the_page(
    browser: Callable[..., str], write_voice: Callable[..., Path], tmp_path: Path
) -> None:
    recording = write_voice("calls #1/it's 100 %.wav", duration_s=1.5)
    row = labelled_row(str(recording), [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1.5, 1.5)
    page = labels_page(tmp_path, [row])
    assert [values["preload"] for values in page.all("audio")] == ["none"]
    handler = type("Handler", (Answers,), {"found": "", "said": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        harness = tmp_path / "harness.html"
        harness.write_text(
            f"<img src='{place}/wait'><script>function found(text){{new Image().src='{place}/found?'+text}}"
            "function play(frame){const player=frame.contentDocument.querySelector('audio');"
            "player.onloadedmetadata=()=>found('played '+player.duration);"
            "player.onerror=()=>found('failed '+player.error.message);player.preload='auto';player.load()}</script>"
            f'<iframe src="{(tmp_path / "labels.html").as_uri()}" onload="play(this)"></iframe>'
        )
        browser(tmp_path, harness, "--dump-dom")
        server.shutdown()
    assert handler.found == "played 1.5"


def test_a_bar_of_a_timeline_is_reached_and_played_from_the_keyboard(
    browser: Callable[..., str], write_voice: Callable[..., Path], tmp_path: Path
) -> None:
    recording = write_voice("call.wav", duration_s=1.5)
    shares = [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    rows = [
        labelled_row(str(recording), shares, 0.5, 0.5, start_s=place / 2, end_s=(place + 1) / 2, speech_s=0.5)
        for place in range(3)
    ]
    table = write_table(tmp_path / "segments.csv", rows, TableLayout(frozenset({"segments"})))
    segment_report(table, str(tmp_path / "segments.html"))
    harness = tmp_path / "harness.html"
    harness.write_text(
        f"<iframe src='{(tmp_path / 'segments.html').as_uri()}'></iframe><script>onload=()=>{{"
        "const view=frames[0],page=view.document,bars=[...page.querySelectorAll('.bar')];"
        "const player=page.querySelector('audio');player.play=()=>Promise.resolve();let time;"
        "Object.defineProperty(player,'currentTime',{set:value=>time=value,get:()=>time});"
        "const key=name=>page.activeElement.dispatchEvent("
        "new view.KeyboardEvent('keydown',{key:name,bubbles:true,cancelable:true}));"
        "const reached=bars.filter(bar=>bar.tabIndex==0).length;bars[0].focus();key('ArrowRight');key('ArrowRight');"
        "key('ArrowRight');const place=bars.indexOf(page.activeElement);key('ArrowLeft');key('Enter');"
        "const out=document.createElement('pre');out.id='found';out.textContent=[bars.length,reached,place,"
        "bars.filter(bar=>bar.tabIndex==0).length,time.toFixed(1)].join(' ');document.body.append(out)}</script>"
    )
    dom = browser(tmp_path, harness, "--dump-dom")
    shown = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert shown is not None
    assert shown[1] == "3 1 2 1 0.5"
