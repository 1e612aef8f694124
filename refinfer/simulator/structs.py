"""The structs that TFLM itself keeps in the arena, whatever the model's operators are.

Sources: tensorflow/lite/core/c/common.h, and under tensorflow/lite/micro: micro_allocator.h,
recording_micro_allocator.h, compression.h, micro_allocation_info.h, micro_resource_variable.h, arena_allocator/,
memory_planner/. Members that start with ``vtable`` are the hidden pointers of classes with virtual functions.
"""

from refinfer.kernels.changes import VARIABLE_DEFAULTS, since
from refinfer.kernels.common import in_compression_builds
from refinfer.kernels.layout import (
    BOOL,
    ENUM,
    FLOAT,
    INT8,
    INT32,
    POINTER,
    SIZE_T,
    UINT8,
    Member,
    Repeated,
    When,
    struct,
)

TF_LITE_STATIC_MEMORY = "TF_LITE_STATIC_MEMORY"
"""The macro that TFLM is meant to be built with; most Arduino libraries are not."""


def _unless_static(member: Member) -> When:
    return When(TF_LITE_STATIC_MEMORY, member, absent=True)


QUANTIZATION = struct("TfLiteQuantization", type=ENUM, params=POINTER)
QUANTIZATION_PARAMS = struct("TfLiteQuantizationParams", scale=FLOAT, zero_point=INT32)
TENSOR_STATIC = struct(
    "TfLiteTensor",
    quantization=QUANTIZATION,
    params=QUANTIZATION_PARAMS,
    data=POINTER,
    dims=POINTER,
    bytes=SIZE_T,
    type=ENUM,
    allocation_type=ENUM,
    is_variable=BOOL,
)
TENSOR_DYNAMIC = struct(
    "TfLiteTensor (without TF_LITE_STATIC_MEMORY)",
    type=ENUM,
    data=POINTER,
    dims=POINTER,
    params=QUANTIZATION_PARAMS,
    allocation_type=ENUM,
    bytes=SIZE_T,
    allocation=POINTER,
    name=POINTER,
    delegate=POINTER,
    buffer_handle=INT32,
    data_is_stale=BOOL,
    is_variable=BOOL,
    quantization=QUANTIZATION,
    sparsity=POINTER,
    dims_signature=POINTER,
)
TENSOR = struct(
    "TfLiteTensor (either)",
    tensor=When(TF_LITE_STATIC_MEMORY, TENSOR_STATIC),
    full_tensor=_unless_static(TENSOR_DYNAMIC),
)
AFFINE_QUANTIZATION = struct("TfLiteAffineQuantization", scale=POINTER, zero_point=POINTER, quantized_dimension=INT32)
NODE = struct(
    "TfLiteNode",
    inputs=POINTER,
    outputs=POINTER,
    intermediates=POINTER,
    temporaries=_unless_static(POINTER),
    user_data=POINTER,
    builtin_data=POINTER,
    custom_initial_data=POINTER,
    custom_initial_data_size=INT32,
    delegate=_unless_static(POINTER),
    might_have_side_effect=_unless_static(BOOL),
)
NODE_AND_REGISTRATION = struct("NodeAndRegistration", node=NODE, registration=POINTER)

SINGLE_ARENA_BUFFER_ALLOCATOR = struct(
    "SingleArenaBufferAllocator",
    vtable_non_persistent=POINTER,
    vtable_persistent=POINTER,
    buffer_head=POINTER,
    buffer_tail=POINTER,
    head=POINTER,
    tail=POINTER,
    temp=POINTER,
    temp_buffer_ptr_check_sum=POINTER,
    temp_buffer_count=INT32,
)
RECORDING_SINGLE_ARENA_BUFFER_ALLOCATOR = struct(
    "RecordingSingleArenaBufferAllocator",
    base=SINGLE_ARENA_BUFFER_ALLOCATOR,
    requested_head_bytes=SIZE_T,
    requested_tail_bytes=SIZE_T,
    used_bytes=SIZE_T,
    alloc_count=SIZE_T,
)
PERSISTENT_ARENA_BUFFER_ALLOCATOR = struct(
    "PersistentArenaBufferAllocator", vtable=POINTER, buffer_head=POINTER, buffer_tail=POINTER, tail_temp=POINTER
)
NON_PERSISTENT_ARENA_BUFFER_ALLOCATOR = struct(
    "NonPersistentArenaBufferAllocator",
    vtable=POINTER,
    buffer_head=POINTER,
    buffer_tail=POINTER,
    head_temp=POINTER,
    next_temp=POINTER,
    temp_buffer_ptr_check_sum=POINTER,
    temp_buffer_count=INT32,
    resizable_buffer_allocated=BOOL,
)
MOST_LINEAR_BUFFERS = 1024  # [linear_memory_planner.h: kMaxBufferCount]
LINEAR_MEMORY_PLANNER = struct(
    "LinearMemoryPlanner",
    vtable=POINTER,
    buffer_offsets=Repeated(SIZE_T, MOST_LINEAR_BUFFERS),
    current_buffer_count=INT32,
    next_free_offset=SIZE_T,
)
GREEDY_MEMORY_PLANNER = struct(
    "GreedyMemoryPlanner",
    vtable=POINTER,
    max_buffer_count=INT32,
    buffer_count=INT32,
    requirements=POINTER,
    buffer_sizes_sorted=POINTER,
    buffer_ids_sorted=POINTER,
    buffers_sorted_by_offset=POINTER,
    next_free_entry=INT32,
    first_entry_index=INT32,
    buffer_offsets=POINTER,
    need_to_calculate_offsets=BOOL,
)
BUFFER_REQUIREMENTS = struct(
    "GreedyMemoryPlanner::BufferRequirements",
    size=INT32,
    offline_offset=INT32,
    first_time_used=INT32,
    last_time_used=INT32,
)
LIST_ENTRY = struct("GreedyMemoryPlanner::ListEntry", offset=INT32, requirements_index=INT32, next_entry_index=INT32)
PLANNER_WORK = struct(
    "GreedyMemoryPlanner::per_buffer_size",
    requirements=BUFFER_REQUIREMENTS,
    size_sorted=INT32,
    id_sorted=INT32,
    entry=LIST_ENTRY,
    offset=INT32,
)
MICRO_ALLOCATOR = struct(
    "MicroAllocator",
    vtable=POINTER,
    non_persistent_buffer_allocator=POINTER,
    persistent_buffer_allocator=POINTER,
    builtin_data_allocator=POINTER,
    memory_planner=POINTER,
    model_is_allocating=BOOL,
    scratch_buffer_request_count=SIZE_T,
    scratch_buffer_head=POINTER,
    max_head_buffer_usage=SIZE_T,
)
RECORDED_ALLOCATION = struct("RecordedAllocation", requested_bytes=SIZE_T, used_bytes=SIZE_T, count=SIZE_T)
RECORDING_MICRO_ALLOCATOR = struct(
    "RecordingMicroAllocator",
    base=MICRO_ALLOCATOR,
    recording_memory_allocator=POINTER,
    recorded=Repeated(RECORDED_ALLOCATION, 7),
    recorded_compression=in_compression_builds(RECORDED_ALLOCATION),
)
MICRO_BUILTIN_DATA_ALLOCATOR = struct("MicroBuiltinDataAllocator", vtable=POINTER, persistent_allocator=POINTER)
SUBGRAPH_ALLOCATIONS = struct(
    "SubgraphAllocations",
    node_and_registrations=POINTER,
    tensors=POINTER,
    compressed=in_compression_builds(POINTER),
)
COMPRESSION_TENSOR_DATA = struct("CompressionTensorData", scheme=UINT8, data=POINTER)
LOOKUP_TABLE_DATA = struct(
    "LookupTableData", value_table=POINTER, value_table_channel_stride=UINT8, compressed_bit_width_and_flags=UINT8
)
SCRATCH_BUFFER_REQUEST = struct("internal::ScratchBufferRequest", bytes=SIZE_T, node_idx=INT32, subgraph_idx=INT32)
SCRATCH_BUFFER_HANDLE = struct("ScratchBufferHandle", data=POINTER)
ALLOCATION_INFO = struct(
    "AllocationInfo",
    bytes=SIZE_T,
    output_ptr=POINTER,
    first_created=INT32,
    last_used=INT32,
    offline_offset=INT32,
    needs_allocating=BOOL,
)
MICRO_RESOURCE_VARIABLES = struct(
    "MicroResourceVariables", resource_variables=POINTER, max_variable_count=INT32, num_resource_variables=INT32
)
MICRO_RESOURCE_VARIABLE = struct(
    "MicroResourceVariables::MicroResourceVariable",
    container=POINTER,
    shared_name=POINTER,
    resource_buffer=POINTER,
    bytes=SIZE_T,
    default_value=since(VARIABLE_DEFAULTS, INT8),
)
