"""Fine-tuning of a compact model on the user's own labelled photos, judged on photos that it did not learn from."""

from uois_sam.finetuning.finetune import finetune
from uois_sam.finetuning.outcome import FineTuneConfig, FineTuneResult

__all__ = ["FineTuneConfig", "FineTuneResult", "finetune"]
