"""The options of each builtin operator, and the two unions that choose between them.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs, and the newer schema in the ai-edge-litert 2.3.0 wheel, which
adds `FullyConnectedOptions.quant_spec`. Names and order are theirs: the place of a field is its slot in the vtable.
A default is what an absent field means; where the table itself is absent, the runtime decides.
"""

# ruff: noqa: D101  # the name of a table says whose options it holds

from __future__ import annotations

from refinfer.schema.enums import (
    ActivationFunctionType,
    CombinerType,
    CustomOptionsFormat,
    FullyConnectedOptionsWeightsFormat,
    LSHProjectionType,
    LSTMKernelType,
    MirrorPadMode,
    Padding,
    ReduceWindowFunction,
    RngAlgorithm,
    StablehloComparisonDirection,
    StablehloComparisonType,
    StablehloPrecisionConfig,
    TensorType,
)
from refinfer.schema.flatbuffer import Table, scalar, string, vector, view


class StablehloGatherOptions(Table):
    offset_dims: tuple[int, ...] | None = vector("q")
    collapsed_slice_dims: tuple[int, ...] | None = vector("q")
    start_index_map: tuple[int, ...] | None = vector("q")
    index_vector_dim: int = scalar("q")
    slice_sizes: tuple[int, ...] | None = vector("q")
    indices_are_sorted: bool = scalar("?", False)


class StablehloTransposeOptions(Table):
    permutation: tuple[int, ...] | None = vector("q")


class StablehloDotGeneralOptions(Table):
    lhs_batching_dimensions: tuple[int, ...] | None = vector("q")
    rhs_batching_dimensions: tuple[int, ...] | None = vector("q")
    lhs_contracting_dimensions: tuple[int, ...] | None = vector("q")
    rhs_contracting_dimensions: tuple[int, ...] | None = vector("q")
    precision_config: tuple[StablehloPrecisionConfig, ...] | None = vector("I", of=StablehloPrecisionConfig)


class StablehloReduceWindowOptions(Table):
    window_dimensions: tuple[int, ...] | None = vector("q")
    window_strides: tuple[int, ...] | None = vector("q")
    base_dilations: tuple[int, ...] | None = vector("q")
    window_dilations: tuple[int, ...] | None = vector("q")
    padding: tuple[int, ...] | None = vector("q")
    body_subgraph_index: int = scalar("i")


class StablehloWhileOptions(Table):
    cond_subgraph_index: int = scalar("i")
    body_subgraph_index: int = scalar("i")


class StablehloSortOptions(Table):
    dimension: int = scalar("q")
    is_stable: bool = scalar("?", False)
    comparator_subgraph_index: int = scalar("i")


class StablehloConcatenateOptions(Table):
    dimension: int = scalar("q")


class StablehloBroadcastInDimOptions(Table):
    broadcast_dimensions: tuple[int, ...] | None = vector("q")


class StablehloCompareOptions(Table):
    comparison_direction: StablehloComparisonDirection = scalar("I", of=StablehloComparisonDirection)
    compare_type: StablehloComparisonType = scalar("I", of=StablehloComparisonType)


class StablehloDynamicSliceOptions(Table):
    slice_sizes: tuple[int, ...] | None = vector("q")


class StablehloPadOptions(Table):
    edge_padding_low: tuple[int, ...] | None = vector("q")
    edge_padding_high: tuple[int, ...] | None = vector("q")
    interior_padding: tuple[int, ...] | None = vector("q")


class StablehloIotaOptions(Table):
    iota_dimension: int = scalar("q")


class StablehloCustomCallOptions(Table):
    call_target_name: str | None = string()
    has_side_effect: bool = scalar("?", False)
    backend_config: str | None = string()
    api_version: int = scalar("i")
    called_computations: tuple[int, ...] | None = vector("i")
    custom_attributes: memoryview | None = view()


class StablehloReduceOptions(Table):
    dimensions: tuple[int, ...] | None = vector("q")
    body_subgraph_index: int = scalar("i")


class StablehloSliceOptions(Table):
    start_indices: tuple[int, ...] | None = vector("q")
    limit_indices: tuple[int, ...] | None = vector("q")
    strides: tuple[int, ...] | None = vector("q")


class StablehloConvolutionOptions(Table):
    window_strides: tuple[int, ...] | None = vector("q")
    padding: tuple[int, ...] | None = vector("q")
    lhs_dilation: tuple[int, ...] | None = vector("q")
    rhs_dilation: tuple[int, ...] | None = vector("q")
    window_reversal: tuple[bool, ...] | None = vector("?")
    input_batch_dimension: int = scalar("q")
    input_feature_dimension: int = scalar("q")
    input_spatial_dimensions: tuple[int, ...] | None = vector("q")
    kernel_input_feature_dimension: int = scalar("q")
    kernel_output_feature_dimension: int = scalar("q")
    kernel_spatial_dimensions: tuple[int, ...] | None = vector("q")
    output_batch_dimension: int = scalar("q")
    output_feature_dimension: int = scalar("q")
    output_spatial_dimensions: tuple[int, ...] | None = vector("q")
    feature_group_count: int = scalar("q")
    batch_group_count: int = scalar("q")
    precision_config: tuple[StablehloPrecisionConfig, ...] | None = vector("I", of=StablehloPrecisionConfig)


class StablehloScatterOptions(Table):
    indices_are_sorted: bool = scalar("?", False)
    update_window_dims: tuple[int, ...] | None = vector("q")
    inserted_window_dims: tuple[int, ...] | None = vector("q")
    scatter_dims_to_operand_dims: tuple[int, ...] | None = vector("q")
    index_vector_dim: int = scalar("q")
    unique_indices: bool = scalar("?", False)
    update_computation_subgraph_index: int = scalar("i")


class StablehloCaseOptions(Table):
    branch_subgraph_indices: tuple[int, ...] | None = vector("i")


class StablehloRngBitGeneratorOptions(Table):
    algorithm: RngAlgorithm = scalar("b", of=RngAlgorithm)


class Conv2DOptions(Table):
    padding: Padding = scalar("b", of=Padding)
    stride_w: int = scalar("i")
    stride_h: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    dilation_w_factor: int = scalar("i", 1)
    dilation_h_factor: int = scalar("i", 1)
    quantized_bias_type: TensorType = scalar("b", of=TensorType)


class Conv3DOptions(Table):
    padding: Padding = scalar("b", of=Padding)
    stride_d: int = scalar("i")
    stride_w: int = scalar("i")
    stride_h: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    dilation_d_factor: int = scalar("i", 1)
    dilation_w_factor: int = scalar("i", 1)
    dilation_h_factor: int = scalar("i", 1)


class Pool2DOptions(Table):
    padding: Padding = scalar("b", of=Padding)
    stride_w: int = scalar("i")
    stride_h: int = scalar("i")
    filter_width: int = scalar("i")
    filter_height: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)


class DepthwiseConv2DOptions(Table):
    padding: Padding = scalar("b", of=Padding)
    stride_w: int = scalar("i")
    stride_h: int = scalar("i")
    depth_multiplier: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    dilation_w_factor: int = scalar("i", 1)
    dilation_h_factor: int = scalar("i", 1)


class ConcatEmbeddingsOptions(Table):
    num_channels: int = scalar("i")
    num_columns_per_channel: tuple[int, ...] | None = vector("i")
    embedding_dim_per_channel: tuple[int, ...] | None = vector("i")


class LSHProjectionOptions(Table):
    type: LSHProjectionType = scalar("b", of=LSHProjectionType)


class SVDFOptions(Table):
    rank: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class RNNOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class SequenceRNNOptions(Table):
    time_major: bool = scalar("?", False)
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class BidirectionalSequenceRNNOptions(Table):
    time_major: bool = scalar("?", False)
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    merge_outputs: bool = scalar("?", False)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class FullyConnectedOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    weights_format: FullyConnectedOptionsWeightsFormat = scalar("b", of=FullyConnectedOptionsWeightsFormat)
    keep_num_dims: bool = scalar("?", False)
    asymmetric_quantize_inputs: bool = scalar("?", False)
    quantized_bias_type: TensorType = scalar("b", of=TensorType)
    quant_spec: memoryview | None = view()


class SoftmaxOptions(Table):
    beta: float = scalar("f", 0.0)


class ConcatenationOptions(Table):
    axis: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)


class AddOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    pot_scale_int16: bool = scalar("?", True)


class MulOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)


class L2NormOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)


class LocalResponseNormalizationOptions(Table):
    radius: int = scalar("i")
    bias: float = scalar("f", 0.0)
    alpha: float = scalar("f", 0.0)
    beta: float = scalar("f", 0.0)


class LSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    cell_clip: float = scalar("f", 0.0)
    proj_clip: float = scalar("f", 0.0)
    kernel_type: LSTMKernelType = scalar("b", of=LSTMKernelType)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class UnidirectionalSequenceLSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    cell_clip: float = scalar("f", 0.0)
    proj_clip: float = scalar("f", 0.0)
    time_major: bool = scalar("?", False)
    asymmetric_quantize_inputs: bool = scalar("?", False)
    diagonal_recurrent_tensors: bool = scalar("?", False)


class BidirectionalSequenceLSTMOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    cell_clip: float = scalar("f", 0.0)
    proj_clip: float = scalar("f", 0.0)
    merge_outputs: bool = scalar("?", False)
    time_major: bool = scalar("?", True)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class ResizeBilinearOptions(Table):
    new_height: int = scalar("i")  # deprecated
    new_width: int = scalar("i")  # deprecated
    align_corners: bool = scalar("?", False)
    half_pixel_centers: bool = scalar("?", False)


class ResizeNearestNeighborOptions(Table):
    align_corners: bool = scalar("?", False)
    half_pixel_centers: bool = scalar("?", False)


class CallOptions(Table):
    subgraph: int = scalar("I")


class PadOptions(Table): ...


class PadV2Options(Table): ...


class ReshapeOptions(Table):
    new_shape: tuple[int, ...] | None = vector("i")


class SpaceToBatchNDOptions(Table): ...


class BatchToSpaceNDOptions(Table): ...


class SkipGramOptions(Table):
    ngram_size: int = scalar("i")
    max_skip_size: int = scalar("i")
    include_all_ngrams: bool = scalar("?", False)


class SpaceToDepthOptions(Table):
    block_size: int = scalar("i")


class DepthToSpaceOptions(Table):
    block_size: int = scalar("i")


class SubOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    pot_scale_int16: bool = scalar("?", True)


class DivOptions(Table):
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)


class TopKV2Options(Table): ...


class EmbeddingLookupSparseOptions(Table):
    combiner: CombinerType = scalar("b", of=CombinerType)


class GatherOptions(Table):
    axis: int = scalar("i")
    batch_dims: int = scalar("i")


class TransposeOptions(Table): ...


class ExpOptions(Table): ...


class CosOptions(Table): ...


class ReducerOptions(Table):
    keep_dims: bool = scalar("?", False)


class SqueezeOptions(Table):
    squeeze_dims: tuple[int, ...] | None = vector("i")


class SplitOptions(Table):
    num_splits: int = scalar("i")


class SplitVOptions(Table):
    num_splits: int = scalar("i")


class StridedSliceOptions(Table):
    begin_mask: int = scalar("i")
    end_mask: int = scalar("i")
    ellipsis_mask: int = scalar("i")
    new_axis_mask: int = scalar("i")
    shrink_axis_mask: int = scalar("i")
    offset: bool = scalar("?", False)


class LogSoftmaxOptions(Table): ...


class CastOptions(Table):
    in_data_type: TensorType = scalar("b", of=TensorType)
    out_data_type: TensorType = scalar("b", of=TensorType)


class DequantizeOptions(Table): ...


class MaximumMinimumOptions(Table): ...


class TileOptions(Table): ...


class ArgMaxOptions(Table):
    output_type: TensorType = scalar("b", of=TensorType)


class ArgMinOptions(Table):
    output_type: TensorType = scalar("b", of=TensorType)


class GreaterOptions(Table): ...


class GreaterEqualOptions(Table): ...


class LessOptions(Table): ...


class LessEqualOptions(Table): ...


class NegOptions(Table): ...


class SelectOptions(Table): ...


class SliceOptions(Table): ...


class TransposeConvOptions(Table):
    padding: Padding = scalar("b", of=Padding)
    stride_w: int = scalar("i")
    stride_h: int = scalar("i")
    fused_activation_function: ActivationFunctionType = scalar("b", of=ActivationFunctionType)
    quantized_bias_type: TensorType = scalar("b", of=TensorType)


class ExpandDimsOptions(Table): ...


class SparseToDenseOptions(Table):
    validate_indices: bool = scalar("?", False)


class EqualOptions(Table): ...


class NotEqualOptions(Table): ...


class ShapeOptions(Table):
    out_type: TensorType = scalar("b", of=TensorType)


class RankOptions(Table): ...


class PowOptions(Table): ...


class FakeQuantOptions(Table):
    min: float = scalar("f", 0.0)
    max: float = scalar("f", 0.0)
    num_bits: int = scalar("i")
    narrow_range: bool = scalar("?", False)


class PackOptions(Table):
    values_count: int = scalar("i")
    axis: int = scalar("i")


class LogicalOrOptions(Table): ...


class OneHotOptions(Table):
    axis: int = scalar("i")


class AbsOptions(Table): ...


class HardSwishOptions(Table): ...


class LogicalAndOptions(Table): ...


class LogicalNotOptions(Table): ...


class UnpackOptions(Table):
    num: int = scalar("i")
    axis: int = scalar("i")


class FloorDivOptions(Table): ...


class SquareOptions(Table): ...


class ZerosLikeOptions(Table): ...


class FillOptions(Table): ...


class FloorModOptions(Table): ...


class RangeOptions(Table): ...


class LeakyReluOptions(Table):
    alpha: float = scalar("f", 0.0)


class SquaredDifferenceOptions(Table): ...


class MirrorPadOptions(Table):
    mode: MirrorPadMode = scalar("b", of=MirrorPadMode)


class UniqueOptions(Table):
    idx_out_type: TensorType = scalar("b", TensorType.INT32, of=TensorType)


class ReverseV2Options(Table): ...


class AddNOptions(Table): ...


class GatherNdOptions(Table): ...


class WhereOptions(Table): ...


class ReverseSequenceOptions(Table):
    seq_dim: int = scalar("i")
    batch_dim: int = scalar("i")


class MatrixDiagOptions(Table): ...


class QuantizeOptions(Table): ...


class MatrixSetDiagOptions(Table): ...


class IfOptions(Table):
    then_subgraph_index: int = scalar("i")
    else_subgraph_index: int = scalar("i")


class CallOnceOptions(Table):
    init_subgraph_index: int = scalar("i")


class WhileOptions(Table):
    cond_subgraph_index: int = scalar("i")
    body_subgraph_index: int = scalar("i")


class NonMaxSuppressionV4Options(Table): ...


class NonMaxSuppressionV5Options(Table): ...


class ScatterNdOptions(Table): ...


class SelectV2Options(Table): ...


class DensifyOptions(Table): ...


class SegmentSumOptions(Table): ...


class BatchMatMulOptions(Table):
    adj_x: bool = scalar("?", False)
    adj_y: bool = scalar("?", False)
    asymmetric_quantize_inputs: bool = scalar("?", False)


class CumsumOptions(Table):
    exclusive: bool = scalar("?", False)
    reverse: bool = scalar("?", False)


class BroadcastToOptions(Table): ...


class Rfft2dOptions(Table): ...


class HashtableOptions(Table):
    table_id: int = scalar("i")
    key_dtype: TensorType = scalar("b", of=TensorType)
    value_dtype: TensorType = scalar("b", of=TensorType)


class HashtableFindOptions(Table): ...


class HashtableImportOptions(Table): ...


class HashtableSizeOptions(Table): ...


class VarHandleOptions(Table):
    container: str | None = string()
    shared_name: str | None = string()


class ReadVariableOptions(Table): ...


class AssignVariableOptions(Table): ...


class RandomOptions(Table):
    seed: int = scalar("q")
    seed2: int = scalar("q")


class BucketizeOptions(Table):
    boundaries: tuple[float, ...] | None = vector("f")


class GeluOptions(Table):
    approximate: bool = scalar("?", False)


class DynamicUpdateSliceOptions(Table): ...


class UnsortedSegmentProdOptions(Table): ...


class UnsortedSegmentMaxOptions(Table): ...


class UnsortedSegmentSumOptions(Table): ...


class ATan2Options(Table): ...


class UnsortedSegmentMinOptions(Table): ...


class SignOptions(Table): ...


class BitcastOptions(Table): ...


class BitwiseXorOptions(Table): ...


class RightShiftOptions(Table): ...


class DilateOptions(Table): ...


class ReduceWindowOptions(Table):
    reduce_function: ReduceWindowFunction = scalar("i", of=ReduceWindowFunction)


class StableHLOCompositeOptions(Table):
    name: str | None = string()
    decomposition_subgraph_index: int = scalar("i")
    composite_attributes: memoryview | None = view()
    composite_attributes_format: CustomOptionsFormat = scalar("b", of=CustomOptionsFormat)
    version: int = scalar("i")


class StablehloShiftLeftOptions(Table): ...


BUILTIN_OPTIONS: tuple[type[Table], ...] = (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    ConcatEmbeddingsOptions,
    LSHProjectionOptions,
    Pool2DOptions,
    SVDFOptions,
    RNNOptions,
    FullyConnectedOptions,
    SoftmaxOptions,
    ConcatenationOptions,
    AddOptions,
    L2NormOptions,
    LocalResponseNormalizationOptions,
    LSTMOptions,
    ResizeBilinearOptions,
    CallOptions,
    ReshapeOptions,
    SkipGramOptions,
    SpaceToDepthOptions,
    EmbeddingLookupSparseOptions,
    MulOptions,
    PadOptions,
    GatherOptions,
    BatchToSpaceNDOptions,
    SpaceToBatchNDOptions,
    TransposeOptions,
    ReducerOptions,
    SubOptions,
    DivOptions,
    SqueezeOptions,
    SequenceRNNOptions,
    StridedSliceOptions,
    ExpOptions,
    TopKV2Options,
    SplitOptions,
    LogSoftmaxOptions,
    CastOptions,
    DequantizeOptions,
    MaximumMinimumOptions,
    ArgMaxOptions,
    LessOptions,
    NegOptions,
    PadV2Options,
    GreaterOptions,
    GreaterEqualOptions,
    LessEqualOptions,
    SelectOptions,
    SliceOptions,
    TransposeConvOptions,
    SparseToDenseOptions,
    TileOptions,
    ExpandDimsOptions,
    EqualOptions,
    NotEqualOptions,
    ShapeOptions,
    PowOptions,
    ArgMinOptions,
    FakeQuantOptions,
    PackOptions,
    LogicalOrOptions,
    OneHotOptions,
    LogicalAndOptions,
    LogicalNotOptions,
    UnpackOptions,
    FloorDivOptions,
    SquareOptions,
    ZerosLikeOptions,
    FillOptions,
    BidirectionalSequenceLSTMOptions,
    BidirectionalSequenceRNNOptions,
    UnidirectionalSequenceLSTMOptions,
    FloorModOptions,
    RangeOptions,
    ResizeNearestNeighborOptions,
    LeakyReluOptions,
    SquaredDifferenceOptions,
    MirrorPadOptions,
    AbsOptions,
    SplitVOptions,
    UniqueOptions,
    ReverseV2Options,
    AddNOptions,
    GatherNdOptions,
    CosOptions,
    WhereOptions,
    RankOptions,
    ReverseSequenceOptions,
    MatrixDiagOptions,
    QuantizeOptions,
    MatrixSetDiagOptions,
    HardSwishOptions,
    IfOptions,
    WhileOptions,
    DepthToSpaceOptions,
    NonMaxSuppressionV4Options,
    NonMaxSuppressionV5Options,
    ScatterNdOptions,
    SelectV2Options,
    DensifyOptions,
    SegmentSumOptions,
    BatchMatMulOptions,
    CumsumOptions,
    CallOnceOptions,
    BroadcastToOptions,
    Rfft2dOptions,
    Conv3DOptions,
    HashtableOptions,
    HashtableFindOptions,
    HashtableImportOptions,
    HashtableSizeOptions,
    VarHandleOptions,
    ReadVariableOptions,
    AssignVariableOptions,
    RandomOptions,
    BucketizeOptions,
    GeluOptions,
    DynamicUpdateSliceOptions,
    UnsortedSegmentProdOptions,
    UnsortedSegmentMaxOptions,
    UnsortedSegmentMinOptions,
    UnsortedSegmentSumOptions,
    ATan2Options,
    SignOptions,
    BitcastOptions,
    BitwiseXorOptions,
    RightShiftOptions,
)


BUILTIN_OPTIONS_2: tuple[type[Table], ...] = (
    StablehloConcatenateOptions,
    StablehloBroadcastInDimOptions,
    StablehloSliceOptions,
    StablehloConvolutionOptions,
    StablehloCustomCallOptions,
    StablehloReduceOptions,
    StablehloScatterOptions,
    StablehloCompareOptions,
    StablehloDynamicSliceOptions,
    StablehloPadOptions,
    StablehloIotaOptions,
    StablehloDotGeneralOptions,
    StablehloReduceWindowOptions,
    StablehloSortOptions,
    StablehloWhileOptions,
    StablehloGatherOptions,
    StablehloTransposeOptions,
    DilateOptions,
    StablehloRngBitGeneratorOptions,
    ReduceWindowOptions,
    StableHLOCompositeOptions,
    StablehloShiftLeftOptions,
    StablehloCaseOptions,
)
