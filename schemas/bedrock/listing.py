"""What Bedrock's control plane says of models and inference profiles: lenient, only what we use; knows no hub type.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html and
.../API_ListInferenceProfiles.html, checked 2026-11-27 against the service description `bedrock` 2023-04-20 of the AWS
SDKs.
"""

from schemas.bedrock.response import AnswerStruct


class ModelSummary(AnswerStruct, frozen=True, kw_only=True):
    """A foundation model. Modalities are `TEXT`, `IMAGE`, `EMBEDDING`; inference types `ON_DEMAND`, `PROVISIONED`."""

    model_id: str | None = None
    output_modalities: list[str] | None = None
    inference_types_supported: list[str] | None = None


class ModelList(AnswerStruct, frozen=True, kw_only=True):
    """`GET /foundation-models`: everything in one answer."""

    model_summaries: list[ModelSummary] | None = None


class ProfileModel(AnswerStruct, frozen=True, kw_only=True):
    """A model that a profile sends requests to."""

    model_arn: str | None = None


class ProfileSummary(AnswerStruct, frozen=True, kw_only=True):
    """A profile over several regions."""

    inference_profile_id: str | None = None
    models: list[ProfileModel] | None = None


class ProfilePage(AnswerStruct, frozen=True, kw_only=True):
    """`GET /inference-profiles`."""

    inference_profile_summaries: list[ProfileSummary] | None = None
    next_token: str | None = None
