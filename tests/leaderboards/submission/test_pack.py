"""Packing a submission, and what is refused when it is checked."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import tvseg_bench
from tvseg_bench.benchmark.contract.check_report import (
    CHECKS,
    CheckOutcome,
    CheckReport,
    write_report,
)
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.registry import datasets, protocols
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance, collect
from tvseg_bench.benchmark.results.result import Card, Model, Result, from_score, without_score
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.results.text import ResultError, to_jsonable
from tvseg_bench.benchmark.types import ModelCard, Score, UnitScore
from tvseg_bench.leaderboards.submission.archive import archive_bytes, read_archive, sha256
from tvseg_bench.leaderboards.submission.inspect import SubmissionReport, check_submission
from tvseg_bench.leaderboards.submission.pack import pack

CARD = ModelCard(
    name="mine/net",
    revision="sha256:" + "ab" * 32,
    patch_size=16,
    embed_dim=384,
    params_m=21.7,
    licence="Apache-2.0",
    pretraining_data=("imagenet-1k",),
)
MADE = Provenance(
    suite=tvseg_bench.__version__,
    python="3.12.4",
    started="2026-01-02T03:04:05Z",
    packages={"torch": "2.9.1"},
)
CLIPS = tuple(f"shapes-{seed:05d}" for seed in range(104, 116))


@pytest.fixture(autouse=True)
def _registered() -> None:
    tvseg_bench.register_builtins()


def cell_key(protocol: str = "kmeans-clip", **changes: Any) -> CellKey:
    entry = protocols[protocol]
    key = CellKey(
        model=CARD.name,
        revision=CARD.revision,
        protocol=protocol,
        protocol_version=entry.version,
        params=entry.presets["standard"].model_dump(),
        dataset="moving-shapes",
        split="val",
        dataset_version=1,
        manifest_sha256=datasets["moving-shapes"].open(None, "val").manifest_sha256,
        resolution={"size": 224},
        seed=0,
    )
    return replace(key, **changes)


def clip_score(offset: float = 0.0) -> Score:
    values = [0.3 + 0.02 * i + offset for i in range(len(CLIPS))]
    return Score(
        metrics={"miou": sum(values) / len(values)},
        clips=[
            UnitScore(clip=c, n_frames=10, metrics={"miou": v})
            for c, v in zip(CLIPS, values, strict=True)
        ],
        references={"constant/miou": 0.1, "oracle/miou": 0.9},
    )


def frame_score() -> Score:
    frames = [
        UnitScore(clip=c, frame=t, metrics={"miou": 0.2 + 0.01 * t + 0.02 * i})
        for i, c in enumerate(CLIPS)
        for t in range(10)
    ]
    values = [0.245 + 0.02 * i for i in range(len(CLIPS))]
    clips = [
        UnitScore(clip=c, n_frames=10, metrics={"miou": v})
        for c, v in zip(CLIPS, values, strict=True)
    ]
    return Score(metrics={"miou": sum(values) / len(values)}, clips=clips, frames=frames)


def count_score() -> Score:
    clips = [
        UnitScore(
            clip=c,
            n_frames=10,
            metrics={},
            counts={"labels": [0, 1], "tp": [50 + i, 20], "fp": [10, 5 + i], "fn": [5 + i, 10]},
        )
        for i, c in enumerate(CLIPS)
    ]
    iou = [666 / (666 + 120 + 126), 240 / (240 + 126 + 120)]
    return Score(
        metrics={"miou": sum(iou) / 2},
        clips=clips,
        resample="counts",
        per_class={"labels": [0, 1], "names": ["a", "b"], "iou": iou, "support": [9, 9]},
    )


def write(run: Path, key: CellKey, score: Score, card: ModelCard = CARD, **facts: Any) -> Result:
    entry = protocols.loaded(key.protocol)
    result = from_score(
        key,
        score,
        card=replace(card, name=key.model),
        provenance=MADE,
        background=0,
        metrics=entry.metrics if entry is not None else None,
        **facts,
    )
    return ResultStore(run).write(result, score)


def report(card: ModelCard = CARD, **statuses: Any) -> CheckReport:
    return CheckReport(
        model=Model(
            name=card.name,
            revision=card.revision,
            card=Card.model_validate(to_jsonable(vars(card)), strict=False),
        ),
        kind="features",
        outcomes=tuple(
            CheckOutcome(check=name, status=statuses.get(name, "ok"), message="said")
            for name in CHECKS
        ),
        seconds=20.0,
        provenance=collect(started=datetime.now(timezone.utc)),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as `run` and `check` leave it: three protocols, and a baseline beside the model."""
    folder = tmp_path / "run"
    write(folder, cell_key(), clip_score())
    write(folder, cell_key("kmeans-frame"), frame_score())
    write(folder, cell_key("kmeans-dataset"), count_score())
    write(folder, cell_key(model="baseline/random", revision="seed:0"), clip_score(-0.1))
    write_report(report(), folder)
    return folder


@pytest.fixture
def packed(run: Path, tmp_path: Path) -> Path:
    return pack([run], tmp_path / "x.zip").path


# ------------------------------------------------------------------------------- packing


def test_pack_and_check(run: Path, tmp_path: Path) -> None:
    done = pack([run], tmp_path / "x.zip")
    assert (done.model, done.revision) == (CARD.name, CARD.revision)
    assert done.cells == tuple(
        f"kmeans-{scope} on moving-shapes:val, seed 0" for scope in ("clip", "dataset", "frame")
    )
    assert done.left_out == (
        "baseline/random, kmeans-clip on moving-shapes:val, seed 0: another model",
    )
    found = check_submission(done.path)
    assert found.problems == ()
    assert found.accepted
    assert (found.file, found.model) == ("x.zip", CARD.name)
    assert len(found.rows) == 3
    for row in found.rows:
        assert row.recomputed == pytest.approx(row.value)
        assert row.existing is None


def test_equal_results_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    first = pack([run], tmp_path / "a.zip").path.read_bytes()
    for file in sorted(run.rglob("*"), reverse=True):
        if file.is_file():
            file.touch()
    assert pack([run], tmp_path / "b.zip").path.read_bytes() == first


def test_two_runs_in_one_archive(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", cell_key(seed=1), clip_score(0.01))
    write(tmp_path / "more", cell_key(), clip_score())  # the same cell once more
    done = pack([run, tmp_path / "more"], tmp_path / "x.zip")
    assert len(done.cells) == 4
    assert check_submission(done.path).accepted


def test_what_does_not_belong_is_left_out_and_named(run: Path, tmp_path: Path) -> None:
    write(run, cell_key(limit=3), clip_score())
    skipped = without_score(cell_key("overcluster-clip"), "skipped", "no", card=CARD,
                            provenance=MADE)  # fmt: skip
    ResultStore(run).write(skipped)
    done = pack([run], tmp_path / "x.zip")
    said = " ".join(done.left_out)
    assert "kmeans-clip on moving-shapes:val, seed 0: the first 3 clips only" in said
    assert "overcluster-clip on moving-shapes:val, seed 0: skipped" in said
    assert check_submission(done.path).accepted


def test_nothing_is_overwritten(run: Path, packed: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(UsageError, match=r"x\.zip is there already"):
        pack([run], packed)
    assert packed.read_bytes() == before


def test_pack_refuses(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.zip"
    with pytest.raises(UsageError, match="nowhere holds no results; give the folder"):
        pack([tmp_path / "nowhere"], out)
    with pytest.raises(UsageError, match=r"no results of 'dino/vits16' \(they hold: baseline/ra"):
        pack([run], out, model="dino/vits16")
    write(run, cell_key(model="other/net"), clip_score())
    with pytest.raises(UsageError, match=r"mine/net and other/net, .* one model; type --model mi"):
        pack([run], out)
    assert pack([run], tmp_path / "chosen.zip", model="mine/net").model == "mine/net"
    write(run, cell_key(revision="sha256:" + "cd" * 32), clip_score())
    with pytest.raises(UsageError, match=r"with the revisions sha256:abab.* and sha256:cdcd"):
        pack([run], out, model="mine/net")
    assert not out.exists()


def test_pack_wants_the_report_of_this_model(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.zip"
    write_report(report(replace(CARD, revision="sha256:" + "cd" * 32)), run)
    with pytest.raises(UsageError, match=r"no check report of mine/net at sha256:abab.*\(.*about"):
        pack([run], out)
    (run / "check_report.json").unlink()
    with pytest.raises(UsageError, match=r"type: tvseg-bench check mine/net -o .*run"):
        pack([run], out)
    elsewhere = write_report(report(), tmp_path / "reports")[0]
    assert pack([run], tmp_path / "y.zip", report=elsewhere).model == "mine/net"
    write_report(report(batch="failed"), run)
    with pytest.raises(ResultError, match="mine/net fails batch; fix it"):
        pack([run], out)
    write_report(report(replace(CARD, licence="MIT")), run)
    with pytest.raises(ResultError, match="is not the one in the results"):
        pack([run], out)


def test_pack_refuses_rows_that_are_not_the_results(run: Path, tmp_path: Path) -> None:
    rows = run / "samples" / f"{cell_key().cell_id}.jsonl"
    rows.write_text(rows.read_text().replace("0.3", "0.4", 1))
    with pytest.raises(ResultError, match=r"is not the file that .* was made from"):
        pack([run], tmp_path / "x.zip")


def test_pack_refuses_two_answers_for_one_cell(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", cell_key(), clip_score(0.01))
    with pytest.raises(ResultError, match="the same cell with other numbers"):
        pack([run, tmp_path / "more"], tmp_path / "x.zip")


# ----------------------------------------------------------------------- edited archives

Edit = Callable[[dict[str, Any]], Any]


def repacked(packed: Path, changes: dict[str, Callable[[bytes], bytes | None]]) -> Path:
    """Write the archive anew with some files changed and every hash and size made to fit."""
    archive = read_archive(packed)
    files = {name: data for name, data in archive.files.items() if name != "submission.json"}
    for name, change in changes.items():
        made = change(files.pop(name, b""))
        if made is not None:
            files[name] = made
    out = packed.with_name("edited.zip")
    m = archive.manifest
    out.write_bytes(archive_bytes(m.suite, m.model, m.revision, files))
    return out


def as_json(edit: Edit) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        value = json.loads(data)
        edit(value)
        return json.dumps(value).encode()

    return change


def messages(found: SubmissionReport) -> str:
    assert not found.accepted
    for problem in found.problems:
        assert "\n" not in problem.message
        assert "tvseg-submission" not in str(problem)
    return "; ".join(map(str, found.problems))


def result_name(protocol: str = "kmeans-clip") -> str:
    return f"results/{cell_key(protocol).cell_id}.json"


def rows_name(protocol: str = "kmeans-clip") -> str:
    return f"samples/{cell_key(protocol).cell_id}.jsonl"


RESULT_EDITS: list[tuple[Edit, str]] = [
    (lambda r: r["metrics"]["miou"].update(value=0.9), "metrics.miou.value is 0.900000, but the"),
    (
        lambda r: r["metrics"]["miou"].update(value=0.9, seeds=[0.9]),
        "metrics.miou.value is 0.900000, but the rows",
    ),
    (
        lambda r: r["metrics"]["miou"].update(seeds=[0.9]),
        "metrics.miou.seeds is not the one",
    ),
    (lambda r: r["metrics"]["miou"].update(ci95=[0.5, 0.6]), "metrics.miou.ci95 is [0.5, 0.6]"),
    (
        lambda r: r["metrics"]["miou"].update(n=30),
        "metrics.miou.n is 30, but 12 clips have a value",
    ),
    (lambda r: r["dataset"].update(n_clips=30), "dataset.n_clips is 30, but its rows hold 12"),
    (lambda r: r["dataset"].update(n_frames=9), "dataset.n_frames is 9, but its rows hold 120"),
    (lambda r: r["protocol"].update(version=99), "one of them was edited"),
    (lambda r: r.update(seed=7), "one of them was edited"),
    (lambda r: r.update(schema="tvseg-bench/result@9"), "newer than 'tvseg-bench/result@1'"),
    (lambda r: r.update(note="x"), "unknown field 'note'"),
    (
        lambda r: r["trust"].update(level="reproduced"),
        "trust.level is 'reproduced': others dec",
    ),
    (lambda r: r["model"]["card"].update(licence="MIT"), "model.card is not model_card.json"),
    (lambda r: r["samples"].update(n_clips=3), "samples.n_clips is 3, but"),
    (lambda r: r.update(samples=None), "samples is null"),
    (lambda r: r["provenance"].update(command="run -o /home/jo/x"), "holds an absolute path"),
]


@pytest.mark.parametrize(("edit", "sentence"), RESULT_EDITS, ids=[s for _, s in RESULT_EDITS])
def test_an_edited_result_is_refused(edit: Edit, sentence: str, packed: Path) -> None:
    found = check_submission(repacked(packed, {result_name(): as_json(edit)}))
    assert sentence in messages(found)
    assert {p.file for p in found.problems} == {result_name()}


def test_without_new_hashes_the_edit_shows_at_once(packed: Path, tmp_path: Path) -> None:
    source, out = zipfile.ZipFile(packed), tmp_path / "edited.zip"
    with zipfile.ZipFile(out, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename == result_name():
                data = data.replace(b'"value": 0.', b'"value": 0.9', 1)
            target.writestr(info, data)
    assert f"{result_name()} was changed after it was packed" in messages(check_submission(out))


def test_an_edited_row_is_refused(packed: Path) -> None:
    changes = {rows_name(): lambda d: d.replace(b'"miou":0.3}', b'"miou":0.9}', 1)}
    assert "is not the file of samples.sha256" in messages(
        check_submission(repacked(packed, changes))
    )


def consistent(
    packed: Path, protocol: str, edit: Callable[[list[Any]], Any], **metrics: float
) -> Path:
    """Edit rows and everything in the result that follows from their bytes, and some numbers."""
    rows = [json.loads(x) for x in read_archive(packed).files[rows_name(protocol)].splitlines()]
    edit(rows)
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    def result(r: dict[str, Any]) -> None:
        r["samples"]["sha256"] = sha256(data)
        for name, value in metrics.items():
            r["metrics"][name].update(value=value, seeds=[value])

    return repacked(
        packed, {rows_name(protocol): lambda _: data, result_name(protocol): as_json(result)}
    )


def test_clip_rows_that_are_not_their_frames_are_refused(packed: Path) -> None:
    def edit(rows: list[Any]) -> None:
        rows[1]["metrics"]["miou"] += 0.12

    value = 0.245 + 0.02 * 5.5 + 0.01
    found = check_submission(consistent(packed, "kmeans-frame", edit, miou=value))
    said = messages(found)
    assert "clip 'shapes-00104': miou is 0.365000, but its frames give 0.245000" in said
    assert "metrics.miou.value" not in said  # the headline follows its rows


def test_a_removed_frame_or_clip_is_refused(packed: Path) -> None:
    found = check_submission(consistent(packed, "kmeans-frame", lambda rows: rows.pop(-1)))
    assert "clip 'shapes-00115' has 10 frames, but 9 rows of frames" in messages(found)
    found = check_submission(consistent(packed, "kmeans-clip", lambda rows: rows.pop(-1)))
    assert "dataset.n_clips is 12, but its rows hold 11" in messages(found)
    found = check_submission(
        consistent(packed, "kmeans-clip", lambda rows: rows[2].update(clip=rows[1]["clip"]))
    )
    assert "the clip 'shapes-00104' has two rows" in messages(found)


def test_classes_are_recomputed_from_counts(packed: Path) -> None:
    def edit(r: dict[str, Any]) -> None:
        r["per_class"]["iou"][1] = 0.9

    name = result_name("kmeans-dataset")
    found = check_submission(repacked(packed, {name: as_json(edit)}))
    assert "per_class.iou of label 1 is 0.900000, but the rows give 0.49" in messages(found)


def batches_score(values: Sequence[float], step: int) -> Score:
    batches = [values[i : i + step] for i in range(0, len(values), step)]
    return Score(
        metrics={"miou": sum(sum(b) / len(b) for b in batches) / len(batches)},
        clips=[
            UnitScore(clip=c, n_frames=10, metrics={"miou": v})
            for c, v in zip(CLIPS, values, strict=True)
        ],
    )


def zero_score() -> Score:
    """As `count_score`, with two classes that are in no clip and count as 0."""
    score = count_score()
    return replace(score, metrics={"miou": (score.metrics["miou"] or 0) / 2})


@pytest.mark.parametrize(
    ("protocol", "params", "score"),
    [
        ("kmeans-clip", {"average": "batches", "batch_clips": 5},
         batches_score([0.2 + 0.05 * i for i in range(12)], 5)),
        ("kmeans-dataset", {"absent_class": "zero"}, zero_score()),
    ],
    ids=["batches", "absent classes"],
)  # fmt: skip
def test_numbers_that_published_averages_make(
    protocol: str, params: dict[str, Any], score: Score, tmp_path: Path
) -> None:
    """Means of batch means and means over absent classes are no mean of the rows, and true."""
    run = tmp_path / "run"
    key = cell_key(protocol)
    key = replace(key, params={**key.params, **params})
    made = write(run, key, score, n_classes=4)
    assert made.metrics["miou"].rows != "value"
    assert "shifted" in str(made.metrics["miou"].ci_method) or made.metrics["miou"].ci95 is None
    write_report(report(), run)
    packed = pack([run], tmp_path / "x.zip").path
    assert check_submission(packed).accepted

    def edit(r: dict[str, Any]) -> None:
        metric = r["metrics"]["miou"]
        value = metric["value"] + 0.004
        metric.update(value=value, seeds=[value])

    found = check_submission(repacked(packed, {f"results/{key.cell_id}.json": as_json(edit)}))
    assert "by the protocol's own average; one of the two was edited" in messages(found)


def test_a_number_that_claims_to_differ_from_its_rows(packed: Path) -> None:
    def edit(r: dict[str, Any]) -> None:
        method = "none: the clips' rows do not make this number"
        rows = "other-value"
        r["metrics"]["miou"].update(value=0.9, seeds=[0.9], ci95=None, ci_method=method, rows=rows)

    found = check_submission(repacked(packed, {result_name(): as_json(edit)}))
    assert "metrics.miou.value is 0.900000, but the rows give 0.41" in messages(found)


def test_a_number_without_rows(packed: Path) -> None:
    def edit(r: dict[str, Any]) -> None:
        r["metrics"]["extra"] = {**r["metrics"]["miou"], "n": 0}

    found = check_submission(repacked(packed, {result_name(): as_json(edit)}))
    assert "metrics.extra.value is 0.410000, but no row has a value of it" in messages(found)


OTHER_EDITS: list[tuple[str, Callable[[bytes], bytes | None], str]] = [
    (
        "check_report.json",
        as_json(lambda r: r["outcomes"].pop()),
        "is not a report of this version",
    ),
    (
        "check_report.json",
        as_json(lambda r: r["outcomes"][0].update(status="failed")),
        "the model fails weights; type: tvseg-bench check mine/net",
    ),
    (
        "check_report.json",
        as_json(lambda r: r["outcomes"][0].update(left_out=True)),
        "weights was left out",
    ),
    (
        "check_report.json",
        as_json(lambda r: r["model"].update(revision="sha256:cd")),
        "it is about mine/net at sha256:cd",
    ),
    ("model_card.json", as_json(lambda c: c.update(licence="MIT")), "it is not the card of check"),
    ("model_card.json", lambda d: b"[]", "model_card.json: "),
]


@pytest.mark.parametrize(
    ("name", "change", "sentence"), OTHER_EDITS, ids=[s for *_, s in OTHER_EDITS]
)
def test_card_and_report(
    name: str, change: Callable[[bytes], bytes | None], sentence: str, packed: Path
) -> None:
    assert sentence in messages(check_submission(repacked(packed, {name: change})))


def test_rows_without_a_result_are_refused(packed: Path) -> None:
    found = check_submission(repacked(packed, {result_name(): lambda d: None}))
    assert f"{rows_name()}: there is no result of this cell" in messages(found)


def resubmitted(tmp_path: Path, key: CellKey, card: ModelCard = CARD) -> SubmissionReport:
    folder = tmp_path / "again"
    write(folder, key, clip_score(), card)
    write_report(report(card), folder)
    return check_submission(pack([folder], tmp_path / "again.zip").path)


OTHER_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"protocol_version": 99}, "protocol.version of kmeans-clip is 99, this version of tvseg"),
    ({"protocol_version": 0}, "is 0, this version of tvseg-bench has "),
    ({"dataset_version": 7}, "dataset.version of moving-shapes is 7, this version of tvseg-bench"),
    ({"manifest_sha256": "cd" * 32}, "dataset.manifest_sha256 is not that of moving-shapes:val"),
    ({"preset": "mine"}, "kmeans-clip has no preset 'mine' in this version"),
    ({"params": {"k": "gt"}}, "protocol.params are not those of kmeans-clip"),
    ({"protocol": "kmeans-klip"}, "the protocol 'kmeans-klip' is none of this version"),
    ({"dataset": "moving-shades"}, "the data set 'moving-shades' is none of this version"),
]


@pytest.mark.parametrize(("changes", "sentence"), OTHER_KEYS, ids=[s for _, s in OTHER_KEYS])
def test_other_versions_are_refused(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    assert sentence in messages(resubmitted(tmp_path, replace(cell_key(), **changes)))


# ----------------------------------------------------------------- beside other results


def test_a_submission_like_the_board(run: Path, packed: Path) -> None:
    found = check_submission(packed, against=run)
    assert found.accepted
    assert all(row.existing == row.value for row in found.rows)


def on_board(tmp_path: Path, cells: Sequence[tuple[CellKey, Score]]) -> Path:
    for key, score in cells:
        write(tmp_path / "board", key, score)
    return tmp_path / "board"


def test_a_number_that_moved_is_refused(packed: Path, tmp_path: Path) -> None:
    near = on_board(tmp_path, [(cell_key(), clip_score(0.0009))])
    assert check_submission(packed, against=near).accepted
    far = on_board(tmp_path / "far", [(cell_key(), clip_score(0.0011))])
    said = messages(check_submission(packed, against=far))
    assert "the result that is there has 0.411100: it moved by 0.0011, at most 0.001" in said


def test_a_cell_or_metric_that_was_there_may_not_go(packed: Path, tmp_path: Path) -> None:
    board = on_board(tmp_path, [(cell_key(seed=5), clip_score())])
    found = check_submission(packed, against=board)
    assert "mine/net has a result of kmeans-clip on moving-shapes:val, seed 5, which" in messages(
        found
    )
    more = replace(clip_score(), metrics={**clip_score().metrics, "extra": None})
    board = on_board(tmp_path / "metric", [(cell_key(), more)])
    assert "metrics.extra is there already and is left out" in messages(
        check_submission(packed, against=board)
    )
    other = on_board(tmp_path / "older", [(cell_key(revision="sha256:00", seed=5), clip_score())])
    assert check_submission(packed, against=other).accepted


def test_other_data_than_the_boards(packed: Path, tmp_path: Path) -> None:
    key = cell_key(model="other/net")
    newer = on_board(tmp_path, [(replace(key, protocol_version=99), clip_score())])
    assert "protocol.version of kmeans-clip is 1, the results that are there have 99" in messages(
        check_submission(packed, against=newer)
    ).replace(f"is {key.protocol_version},", "is 1,")
    files = on_board(tmp_path / "f", [(replace(key, manifest_sha256="cd" * 32), clip_score())])
    assert "measured on other files of moving-shapes:val" in messages(
        check_submission(packed, against=files)
    )
    constant = replace(clip_score(), references={"constant/miou": 0.2})
    edited = on_board(tmp_path / "c", [(key, constant)])
    assert "references.constant/miou is 0.100000, beside other/net it is 0.200000" in messages(
        check_submission(packed, against=edited)
    )
    fewer = replace(clip_score(), clips=clip_score().clips[:6],
                    metrics={"miou": 0.35})  # fmt: skip
    less = on_board(tmp_path / "l", [(key, fewer)])
    assert "it holds 12 clips, the others 6" in messages(check_submission(packed, against=less))


def test_files_that_are_not_there(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no archive .*y\.zip; type: tvseg"):
        check_submission(tmp_path / "y.zip")
    with pytest.raises(UsageError, match="not a folder of results to compare with"):
        check_submission(packed, against=tmp_path / "nowhere")


def test_neither_packing_nor_checking_needs_torch(run: Path, tmp_path: Path) -> None:
    code = f"""
import sys, tvseg_bench
from pathlib import Path
tvseg_bench.register_builtins()
from tvseg_bench.leaderboards.submission.pack import pack
from tvseg_bench.leaderboards.submission.inspect import check_submission
out = pack([Path({str(run)!r})], Path({str(tmp_path / "x.zip")!r})).path
assert check_submission(out, against=Path({str(run)!r})).accepted
print([m for m in ("torch", "sklearn", "pandas", "timm") if m in sys.modules])
"""
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.strip() == "[]"
