"""Where the data sets are to be had. Nothing is downloaded: the terms are the user's to accept."""

from __future__ import annotations

_UCSD = (
    "http://www.svcl.ucsd.edu/projects/anomaly/UCSD_Anomaly_Dataset.tar.gz (sha256 "
    "2329af326951f5097fdd114c50e853957d3e569493a49d22fc082a9fd791915b)"
)

_OWNERS = {
    "ped1": _UCSD,
    "ped2": _UCSD,
    "avenue": (
        "http://www.cse.cuhk.edu.hk/leojia/projects/detectabnormal/Avenue_Dataset.zip (sha256 "
        "fc9cb8432a11ca79c18aa180c72524011411b69d3b0ff27c8816e41c0de61531) and, for the masks, "
        "ground_truth_demo.zip beside it (sha256 "
        "60fec1728ec8f73a58aad3aeb5729d70a805a47e0b8eb4bf91ab67ef06386d77)"
    ),
    "shanghaitech": "https://svip-lab.github.io/dataset/campus_dataset.html (no checksum is known)",
    "mvtec": (
        "https://www.mvtec.com/company/research/datasets/mvtec-ad (mvtec_anomaly_detection.tar.xz, "
        "sha256 cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d)"
    ),
    "loco": (
        "https://www.mvtec.com/company/research/datasets/mvtec-loco "
        "(mvtec_loco_anomaly_detection.tar.xz, sha256 "
        "9e7c84dba550fd2e59d8e9e231c929c45ba737b6b6a6d3814100f54d63aae687)"
    ),
    "phantom": (
        "https://github.com/laurarkart/Physical-Anomalous-Trajectory-or-Motion-PHANTOM-Dataset "
        "(commit df4288d5; no checksum is known)"
    ),
    "ssv2": (
        "https://www.qualcomm.com/developer/software/something-something-v-2-dataset, after "
        "registration (videos and labels; no checksum is known)"
    ),
}


def where_from(name: str) -> str:
    """A sentence that says where the owners distribute a data set, with the checksum."""
    return f"mnad downloads nothing: get {name} from {_OWNERS[name]}, unpack it, give its folder."
