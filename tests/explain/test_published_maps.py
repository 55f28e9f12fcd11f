"""The published heat maps: read, fetched and refused; Table 3 and the README's table from the authors' own files, where they are."""

import http.server
import io
import shutil
import tarfile
import threading

import cv2
import numpy as np
import pytest

from lib.compendium import claims
from lib.compendium.errors import CollectionError, ParameterError
from lib.explain import ekman, lime_study, published_maps, similarity
from lib.explain.ekman import EMOTIONS, MEASURES
from tests.explain import published

NETWORKS = tuple(published_maps.NETWORKS)


# ---- the authors' own files


def test_eleven_rows_of_table_three():
    """Eleven of twelve rows are the printed ones to four decimals; SilNet's is .2791 on average where .2951 is printed."""
    found = published.real()
    cells = published_maps.beside(published_maps.table_three(found.maps, found.masks), published_maps.printed_table_three())
    rows = cells.groupby("network")["same"].agg(["all", "any"])
    assert sorted(rows.index[~rows["all"]]) == ["average", "silnet"] and not rows.at["silnet", "any"]
    silnet = cells[cells["network"] == "silnet"].set_index("expression")
    assert silnet.at["average", "found"] == 0.2791 and silnet.at["average", "printed"] == 0.2951
    assert silnet["found"].tolist() == [0.2443, 0.3828, 0.3654, 0.1015, 0.2948, 0.2859, 0.2791]
    whole = cells.set_index(["network", "expression"])
    assert whole.at[("average", "average"), "found"] == 0.2689 and whole.at[("average", "average"), "printed"] == 0.2702


@pytest.mark.parametrize("measure", MEASURES)
def test_every_fold_mean_of_the_readme(measure):
    """All 91 numbers of the README's table are the printed ones, for each of its four measures."""
    found = published.real()
    cells = published_maps.beside(published_maps.fold_means(found.maps, found.masks, measure), published_maps.printed_fold_means(measure))
    assert len(cells) == 91 and cells["same"].all()


def test_verdicts_of_table_three():
    """Each cell gets a verdict: 77 reproduced; SilNet's seven and the seven averages over the networks contradict the paper's own maps."""
    found = published.real()
    measured = published_maps.claims_measured(published_maps.table_three(found.maps, found.masks))
    verdicts = claims.compare("lime_ekman", {name: (value, "published") for name, value in measured.items()})
    wrong = verdicts[verdicts["verdict"] != "reproduced"]
    assert len(verdicts) == 91 and len(wrong) == 14 and set(wrong["verdict"]) == {"paper inconsistent"}
    assert wrong["id"].str.contains("_silnet_|_average_").all()


@pytest.mark.parametrize("kind", similarity.KINDS)
def test_published_folds_give_the_trees_that_are_drawn(kind):
    """On one scale the means over folds have every cluster of the published trees; stretched as they are, they lose some."""
    found, lost = published.real(), {"scaled": 0, "stretched": 0}
    for name in EMOTIONS:
        stretched = np.stack([[found.maps[network, fold, name] for fold in published_maps.FOLDS] for network in NETWORKS])
        drawn = clusters_of(found.stack(name), kind)
        for way, maps in (("scaled", found.folds(name)), ("stretched", stretched)):
            lost[way] += len(drawn - clusters_of(maps.mean(axis=1), kind))
        assert np.abs(found.folds(name).mean(axis=1) - found.stack(name)).max() < 2.5
    assert lost["scaled"] == 0 and lost["stretched"] >= 10


def test_verdicts_of_the_dendrograms_and_of_the_readme():
    """Seven of the eight heights that section 5.4 reads off lie within its twentieth, and all 91 fold means are the printed ones."""
    verdicts = claims.compare("lime_ekman", lime_study.verdict_values(published.real())).set_index("id")["verdict"]
    verdicts.index = verdicts.index.str.removeprefix("lime_ekman.")
    heights = verdicts[verdicts.index.str.contains("pretrained")]
    assert len(heights) == 8 and heights[heights != "reproduced"].to_dict() == {"dendrogram_surprise_not_pretrained": "paper inconsistent"}
    assert verdicts["dendrogram_two_clusters"] == "direction"
    assert verdicts[verdicts.index.str.startswith("fold_mean_")].eq("reproduced").sum() == 91 and len(verdicts) == 91 + 9 + 91


# ---- a made-up set in the same layout


def test_the_claims_of_the_readme_are_its_table():
    """What is judged is what the repository's table says, cell by cell."""
    known, printed = claims.load("lime_ekman"), published_maps.printed_fold_means()
    expected = published_maps.claims_measured(printed, "fold_mean")
    assert len(expected) == 91 and {name: known[name].value for name in expected} == expected


def clusters_of(maps, kind):
    """Return the clusters of the dendrogram of maps (n, h, w)."""
    return set(similarity.clusters(similarity.tree(similarity.correlations(maps, kind))))


def test_folds_come_back_on_one_scale():
    """Maps of folds of very different strength, each stretched as published: their means are again the maps of all folds, with its tree."""
    generator, found = np.random.default_rng(4), {}
    strong = np.array([1, 0.05, 3, 0.4, 0.1])
    for place, network in enumerate(NETWORKS):
        blurred = [cv2.GaussianBlur(generator.random((275, 224)), (0, 0), 25) for _ in strong]
        folds = [one * (heat - heat.min()) / np.ptp(heat) for one, heat in zip(np.roll(strong, place), blurred, strict=True)]
        found |= {(network, fold, "fear"): ekman.stretched(heat) for fold, heat in zip(published_maps.FOLDS, folds, strict=True)}
        found[network, None, "fear"] = ekman.stretched(np.mean(folds, axis=0))
    made = published_maps.Published(found, {}, {}, None)
    means, whole = made.folds("fear").mean(axis=1), made.stack("fear")
    shift = np.median(whole - means, axis=(1, 2), keepdims=True)  # stretching takes away the lowest value
    assert np.abs(means + shift - whole).max() < 2.5
    stretched = np.stack([[found[network, fold, "fear"] for fold in published_maps.FOLDS] for network in NETWORKS])
    drawn = clusters_of(whole, "as_coded")
    assert clusters_of(means, "as_coded") == drawn != clusters_of(stretched.mean(axis=1), "as_coded")
    sizes = np.ptp(made.folds("fear"), axis=(2, 3))[0]
    assert sizes / sizes.max() == pytest.approx(strong / strong.max(), abs=0.02)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a folder like a clone of the repository, and the list of its files."""
    folder = tmp_path_factory.mktemp("maps") / "clone"
    return folder, published.made(folder)


@pytest.fixture
def pinned(clone, monkeypatch):
    """Take the made-up files for the published ones."""
    monkeypatch.setattr(published_maps, "pinned", lambda: clone[1])
    return clone[0]


def test_the_list_of_files():
    """444 files are pinned, and their names are those of twelve networks, five folds and six expressions, each once."""
    files = published_maps.pinned()
    expected = {published_maps._file(network, fold, name) for network in NETWORKS for fold in (None, *published_maps.FOLDS)
                for name in EMOTIONS}  # fmt: skip
    assert len(files) == files["file"].nunique() == 444 and len(expected) == 432 and expected <= set(files["file"])
    assert files["sha256"].str.fullmatch("[0-9a-f]{64}").all() and (files["bytes"] > 0).all()
    assert list(published_maps.printed_table_three().index) == [*NETWORKS, "average"] == list(published_maps.printed_fold_means().index)


def test_tables_of_known_overlaps(pinned):
    """Maps are found under their names; every overlap, and the averages, are those that follow from the rows each map marks."""
    found = published_maps.load(pinned)
    expected = np.array([[published.iou_of(network, 0, name) for name in range(6)] for network in range(12)])
    cells = published_maps.table_three(found.maps, found.masks)
    assert list(cells.index) == [*NETWORKS, "average"] and list(cells.columns) == [*EMOTIONS, "average"]
    assert cells.to_numpy()[:12, :6] == pytest.approx(expected) and cells.at["average", "average"] == pytest.approx(expected.mean())
    assert cells["average"].to_numpy()[:12] == pytest.approx(expected.mean(axis=1))
    folds = np.array([[np.mean([published.iou_of(network, fold, name) for fold in published_maps.FOLDS]) for name in range(6)]
                      for network in range(12)])  # fmt: skip
    assert published_maps.fold_means(found.maps, found.masks).to_numpy()[:12, :6] == pytest.approx(folds)
    assert published_maps.table_three(found.of_networks(), found.masks).equals(cells)
    assert found.stack("fear").shape == (12, 275, 224) and found.folds("fear").shape == (12, 5, 275, 224)
    assert found.folds("sad").dtype == np.float32 and found.totals["sad"].dtype == np.uint8


def test_beside_allows_for_rounding_only():
    """A number that rounds to the printed one is the same; one unit of the last digit off is not."""
    printed = published_maps.printed_table_three()
    nearly = printed + 0.00004
    assert published_maps.beside(nearly, printed)["same"].all() and not published_maps.beside(printed - 0.0001, printed)["same"].any()
    with pytest.raises(ParameterError, match="without average"):
        published_maps.beside(printed.drop(index="average"), printed)


def test_a_layout_without_the_folder_heatmaps(pinned):
    """The folder that holds `GRAY/` can be given itself."""
    assert published_maps.load(pinned / "heatmaps").folder == published_maps.load(pinned).folder


def test_files_that_cannot_be_used_are_named(pinned, tmp_path):
    """What is missing, corrupt, of another size or of another content is named with its reason; unchecked, other contents are taken."""
    folder = tmp_path / "mine"
    shutil.copytree(pinned, folder)
    grey = folder / "heatmaps/GRAY/heatmaps_by_net"
    (grey / "AlexNet_Fear_heatmap.png").unlink()
    (grey / "AlexNet_Sadness_heatmap.png").write_bytes(b"not a picture")
    (grey / "SilNet_Anger_heatmap.png").write_bytes(cv2.imencode(".png", np.zeros((224, 224), np.uint8))[1].tobytes())
    (folder / "heatmaps/GROUND_TRUTH/Fear_gt.png").write_bytes(b"")
    (grey / "WeiNet_Anger_heatmap.png").write_bytes((grey / "WeiNet_Fear_heatmap.png").read_bytes())
    with pytest.raises(CollectionError) as caught:
        published_maps.load(folder)
    said = str(caught.value)
    for words in ("5 of 444", "AlexNet_Fear_heatmap.png (missing)", "AlexNet_Sadness_heatmap.png (corrupt", "Fear_gt.png (corrupt",
                  "WeiNet_Anger_heatmap.png (another content",
                  "SilNet_Anger_heatmap.png (224 x 224 pixels, expected 224 x 275)"):  # fmt: skip
        assert words in said
    assert str(tmp_path) not in said
    for name in ("AlexNet_Fear", "AlexNet_Sadness", "SilNet_Anger"):
        shutil.copy(grey / "WeiNet_Fear_heatmap.png", grey / f"{name}_heatmap.png")
    shutil.copy(folder / "heatmaps/GROUND_TRUTH/Anger_gt.png", folder / "heatmaps/GROUND_TRUTH/Fear_gt.png")
    assert published_maps.load(folder, check=False).maps["alexnet", None, "fear"].shape == (275, 224)


def test_a_folder_of_something_else(tmp_path):
    """A folder without the maps is refused, saying what it should hold."""
    with pytest.raises(CollectionError, match="does not hold the published heat maps.*GRAY/"):
        published_maps.load(tmp_path)


@pytest.mark.parametrize(("maps", "measure", "said"), [({}, "iou", "0 maps"), ({("a", None, "joy"): None}, "iou", "no mask for 'joy'"),
                                                       ({}, "IoU", "measure 'IoU'")])  # fmt: skip
def test_tables_refuse_what_they_cannot_measure(maps, measure, said):
    """No maps, an expression without a mask and an unknown measure are named."""
    with pytest.raises(ParameterError, match=said):
        published_maps.table_three(maps, {"fear": None}, measure)


# ---- fetching, from a server of this machine


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's `archive`, cut off after each of its `cuts` in turn."""

    def do_GET(self):
        self.server.asked += 1
        if self.server.status:
            return self.send_error(self.server.status)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.archive)))
        self.end_headers()
        self.wfile.write(self.server.archive[: self.server.cuts.pop(0) if self.server.cuts else None])
        return None

    def log_message(self, *words):
        pass


def archive_of(folder, change=lambda name, content: content):
    """Return a tar.gz of the folder as the repository's host packs it: everything below one folder, other files among them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        contents = {"README.md": b"words", "../../outside.png": b"no"}
        contents |= {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*.png"))}
        for name, content in contents.items():
            content = change(name, content)
            member = tarfile.TarInfo(f"ekman_expressions-{published_maps.COMMIT}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def server(pinned, tmp_path, monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.archive, server.cuts, server.asked, server.status = archive_of(pinned), [], 0, None
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(published_maps, "ARCHIVE", f"http://127.0.0.1:{server.server_port}/archive.tar.gz")
        monkeypatch.setattr(published_maps, "FOLDER", tmp_path / "data" / "ekman_maps")
        monkeypatch.setattr(published_maps, "PAUSE", 0.01)
        yield server
        server.shutdown()


def test_the_archive_is_fetched_once(server, pinned, tmp_path):
    """Without a folder the archive is fetched, only the listed files are kept, and the second time nothing is asked."""
    seen = []
    published_maps.fetched(seen.append)
    found = published_maps.load()
    assert server.asked == 1 and seen == list(range(1, 445))
    assert np.array_equal(found.maps["vgg16", 3, "happy"], published_maps.load(pinned).maps["vgg16", 3, "happy"])
    written = {file.relative_to(published_maps.FOLDER).as_posix() for file in published_maps.FOLDER.rglob("*") if file.is_file()}
    assert written == set(published_maps.pinned()["file"]) and not list(tmp_path.rglob("outside*"))


def test_a_broken_download_keeps_what_arrived(server):
    """An archive that breaks off is asked for again, and files already here are not written again; a damaged file is replaced."""
    server.cuts = [len(server.archive) // 2]
    seen = []
    folder = published_maps.fetched(seen.append)
    assert server.asked == 2 and seen == list(range(1, 445))
    damaged = folder / "heatmaps/GROUND_TRUTH/Anger_gt.png"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + b"!")
    published_maps.fetched()
    assert damaged.read_bytes() == content and server.asked == 3


def test_another_content_is_thrown_away(server, pinned):
    """A file that is not the published one is not kept, whatever its size, and the message names it and the list."""
    def changed(name, content):
        return content[:-1] + b"!" if name.endswith("GROUND_TRUTH/Fear_gt.png") else content

    server.archive = archive_of(pinned, changed)
    with pytest.raises(CollectionError, match="1 of 444.*does not hold heatmaps/GROUND_TRUTH/Fear_gt.png.*params/ekman_maps.csv"):
        published_maps.load()
    assert not (published_maps.FOLDER / "heatmaps/GROUND_TRUTH/Fear_gt.png").exists()


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (503, 3)])
def test_a_source_that_does_not_answer(server, status, asked):
    """A refusal ends the fetching at once, a busy server after three tries; the message says what can be done by hand."""
    server.status = status
    with pytest.raises(CollectionError, match=f"444 of 444.*{status}.*give its folder"):
        published_maps.load()
    assert server.asked == asked


def test_no_archive_at_all(server):
    """Something that is no archive is refused, and nothing is left behind."""
    server.archive = b"<html>sign in</html>"
    with pytest.raises(CollectionError, match="could not be fetched"):
        published_maps.load()
    assert not published_maps.FOLDER.exists()
