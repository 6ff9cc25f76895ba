"""What a study remembers: plain frozen data, one JSON object each.

Records hold no behaviour beyond reading and writing themselves. What was not
measured is None (an empty cell in CSV), never 0. Scores are fractions (0.9312),
times are seconds, sizes are MB (10^6 bytes).
"""

from autocnn.records.audit import (
    AuditReport,
    CopyCounts,
    CopyGroup,
    LabelConflict,
    OddImage,
    Shortcut,
    UnreadableImage,
)
from autocnn.records.base import (
    SCHEMA_VERSION,
    SPLITS,
    Channels,
    Params,
    ParamValue,
    Record,
    SplitName,
)
from autocnn.records.candidates import (
    CandidateRecord,
    Comparison,
    Corruption,
    ExplainedImage,
    Explanation,
    Gap,
    GapLoss,
    GapStep,
    Member,
    Robustness,
)
from autocnn.records.scores import (
    Calibration,
    CalibrationScores,
    ClassScores,
    ConfusionMatrix,
    Interval,
    PrCurve,
    ReliabilityBin,
    RocCurve,
    ScoredSet,
    Scores,
    SplitScores,
)
from autocnn.records.trials import (
    EpochScore,
    RetrainedRecord,
    TrialRecord,
    TrialState,
)

__all__ = [
    "SCHEMA_VERSION",
    "SPLITS",
    "AuditReport",
    "Calibration",
    "CalibrationScores",
    "CandidateRecord",
    "Channels",
    "ClassScores",
    "Comparison",
    "ConfusionMatrix",
    "CopyCounts",
    "CopyGroup",
    "Corruption",
    "EpochScore",
    "ExplainedImage",
    "Explanation",
    "Gap",
    "GapLoss",
    "GapStep",
    "Interval",
    "LabelConflict",
    "Member",
    "OddImage",
    "ParamValue",
    "Params",
    "PrCurve",
    "Record",
    "ReliabilityBin",
    "RetrainedRecord",
    "Robustness",
    "RocCurve",
    "ScoredSet",
    "Scores",
    "Shortcut",
    "SplitName",
    "SplitScores",
    "TrialRecord",
    "TrialState",
    "UnreadableImage",
]
