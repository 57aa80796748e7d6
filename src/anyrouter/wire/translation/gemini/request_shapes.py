"""The members of a generateContent request as they stand on the wire, known by their camelCase names (see `spelling` for the other).

`Raw | UnsetType` is a value that is carried; null comes as its four bytes. A single object stands for a list of one, as Google's own
parser has it. Members that mean nothing to another provider's model are listed so that they are known.
"""

import msgspec
from msgspec import UNSET

from anyrouter.wire.translation.carried import Carried


class _Shape(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What all of them have in common: strict, and encoded without what was not told."""


class BlobShape(_Shape):
    """`inlineData`."""

    data: Carried = UNSET
    mime_type: str | None = None
    display_name: str | None = None


class FileShape(_Shape):
    """`fileData`: an address of Google's, or a public one."""

    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class CallShape(_Shape):
    """`functionCall`. The last two belong to streamed arguments, which nobody sends back."""

    name: str
    id: str | None = None
    args: Carried = UNSET
    partial_args: Carried = UNSET
    will_continue: bool | None = None


class ResultPartShape(_Shape):
    """A picture or file in a function's answer."""

    inline_data: BlobShape | None = None
    file_data: FileShape | None = None
    media_processing: Carried = UNSET
    media_resolution: Carried = UNSET
    video_metadata: Carried = UNSET
    document_metadata: Carried = UNSET
    spreadsheet_metadata: Carried = UNSET
    audio_metadata: Carried = UNSET


class ResultShape(_Shape):
    """`functionResponse`."""

    name: str | None = None
    id: str | None = None
    response: Carried = UNSET
    parts: list[ResultPartShape] | ResultPartShape | None = None
    scheduling: str | None = None
    will_continue: bool | None = None


class ResolutionShape(_Shape):
    """`mediaResolution` of a part."""

    level: str | None = None
    num_tokens: int | None = None


class PartShape(_Shape):
    """A part of a content: one of the first nine, and what is said about it."""

    text: Carried = UNSET
    inline_data: BlobShape | None = None
    file_data: FileShape | None = None
    function_call: CallShape | None = None
    function_response: ResultShape | None = None
    executable_code: Carried = UNSET
    code_execution_result: Carried = UNSET
    tool_call: Carried = UNSET
    tool_response: Carried = UNSET
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: Carried = UNSET
    media_resolution: ResolutionShape | None = None
    media_processing: Carried = UNSET
    speech_metadata: Carried = UNSET
    document_metadata: Carried = UNSET
    spreadsheet_metadata: Carried = UNSET
    audio_metadata: Carried = UNSET
    audio_transcription: Carried = UNSET
    part_metadata: Carried = UNSET  # the client's own notes


class ContentShape(_Shape):
    """A turn, or the system instruction."""

    role: str | None = None
    parts: list[PartShape] | PartShape | None = None


class DeclarationShape(_Shape):
    """A function that may be called. `parameters` is OpenAPI's kind of schema, the other one is JSON schema."""

    name: str
    description: Carried = UNSET
    parameters: Carried = UNSET
    parameters_json_schema: Carried = UNSET
    response: Carried = UNSET
    response_json_schema: Carried = UNSET
    behavior: str | None = None


class ToolShape(_Shape):
    """Functions, and tools of Google's that stand beside them."""

    function_declarations: list[DeclarationShape] | DeclarationShape | None = None
    google_search: Carried = UNSET
    google_search_retrieval: Carried = UNSET
    enterprise_web_search: Carried = UNSET
    parallel_ai_search: Carried = UNSET
    exa_ai_search: Carried = UNSET
    code_execution: Carried = UNSET
    url_context: Carried = UNSET
    file_search: Carried = UNSET
    computer_use: Carried = UNSET
    mcp_servers: Carried = UNSET
    google_maps: Carried = UNSET
    retrieval: Carried = UNSET


class CallingConfigShape(_Shape):
    """`functionCallingConfig`."""

    mode: str | None = None
    allowed_function_names: list[str] | str | None = None
    stream_function_call_arguments: bool | None = None


class ToolConfigShape(_Shape):
    """`toolConfig`."""

    function_calling_config: CallingConfigShape | None = None
    retrieval_config: Carried = UNSET
    include_server_side_tool_invocations: bool | None = None


class ThinkingShape(_Shape):
    """`thinkingConfig`."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class PrebuiltVoiceShape(_Shape):
    """A voice of Google's."""

    voice_name: str | None = None


class VoiceShape(_Shape):
    """`voiceConfig`."""

    prebuilt_voice_config: PrebuiltVoiceShape | None = None
    replicated_voice_config: Carried = UNSET
    voice: str | None = None


class SpeechShape(_Shape):
    """`speechConfig`."""

    voice_config: VoiceShape | None = None
    language_code: str | None = None
    multi_speaker_voice_config: Carried = UNSET


class GenerationShape(_Shape):
    """`generationConfig`. The members behind `thinking_config` have no counterpart elsewhere."""

    candidate_count: int | None = None
    stop_sequences: list[str] | str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_mime_type: str | None = None
    response_schema: Carried = UNSET
    response_json_schema: Carried = UNSET
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_modalities: list[str] | str | None = None
    speech_config: SpeechShape | None = None
    thinking_config: ThinkingShape | None = None
    media_resolution: Carried = UNSET
    image_config: Carried = UNSET
    enable_enhanced_civic_answers: Carried = UNSET
    audio_timestamp: Carried = UNSET
    audio_transcription_config: Carried = UNSET
    routing_config: Carried = UNSET
    model_config: Carried = UNSET
    response_format: Carried = UNSET
    translation_config: Carried = UNSET
    generation_output_config: Carried = UNSET
