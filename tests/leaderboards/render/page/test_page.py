import re

from tvseg_bench.leaderboards.render.page.page import render_page, script_json

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&"


def test_text_and_data_of_strangers_stay_text() -> None:
    text = render_page("base.html.jinja", title=HOSTILE, data={"d": {HOSTILE: [HOSTILE]}})
    assert "alert(1)</script>" not in text
    assert "<img" not in text
    assert len(re.findall("<script", text)) == 2  # the theme and the data


def test_only_our_scripts_may_run_and_nothing_is_fetched() -> None:
    text = render_page("base.html.jinja", title="t")
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in text
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_data_survives() -> None:
    import json

    value = {"a": [None, 0.5, "</x>&\u2028"]}
    assert json.loads(str(script_json(value))) == value
