"""The operators that a program in a file may use: arithmetic on tensors, and nothing that reaches outside of it.

A program (TorchScript, ``.pt2``) is run only if every operator in it is listed here. Not listed are, among others,
those that read or write files (``from_file``, ``save``), resize or replace storages, start work beside this, print, or
call into other libraries.
"""

TENSOR = frozenset(
    """
    abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d add addbmm
    addcdiv addcmul addmm addmv alias all amax amin any arange argmax argmin argsort avg_pool1d avg_pool2d avg_pool3d
    baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm broadcast_to cat ceil celu channel_shuffle chunk clamp
    clamp_max clamp_min clip clone concat constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d convolution copy cos cosh cumsum detach detach_ diagonal div divide dot dropout einsum elu
    embedding empty_like eq erf exp expand expand_as expm1 feature_dropout flatten flip floor floor_divide fmod
    full
    full_like gather ge gelu glu group_norm gru gt hardshrink hardsigmoid hardswish hardtanh index index_select
    instance_norm isfinite isinf isnan layer_norm le leaky_relu lerp lift_fresh_copy lift_fresh linear
    linalg_vector_norm
    log log10 log1p log2 log_sigmoid log_softmax logical_and logical_not logical_or logical_xor logsumexp lstm lt
    masked_fill matmul max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d maximum mean meshgrid min minimum
    mish mm movedim mul multiply mv narrow native_batch_norm native_group_norm native_layer_norm ne neg new_full
    new_ones new_zeros norm ones ones_like outer pad permute pixel_shuffle pixel_unshuffle pow prelu prod reciprocal
    reflection_pad2d relu relu6 remainder repeat repeat_interleave replication_pad2d reshape roll round rsqrt rsub
    scaled_dot_product_attention scalar_tensor select selu sigmoid sign silu sin slice softmax softplus softsign sort
    split split_with_sizes sqrt square squeeze stack std std_mean sub subtract sum swapaxes t tan tanh tensor_split
    threshold tile to topk transpose tril triu true_divide type_as unbind unflatten unfold unsqueeze upsample_bicubic2d
    upsample_bilinear2d upsample_nearest2d var var_mean view view_as where zeros zeros_like
    _adaptive_avg_pool2d _assert_async _assert_scalar _assert_tensor_metadata _convolution _log_softmax
    _native_batch_norm_legit_no_training _native_multi_head_attention _reshape_alias _safe_softmax _shape_as_tensor
    _softmax _to_copy
    _transformer_encoder_layer_fwd _unsafe_view _upsample_bicubic2d_aa _upsample_bilinear2d_aa
    relu_ relu6_ hardtanh_ hardswish_ hardsigmoid_ leaky_relu_ elu_ celu_ selu_ silu_ mish_ sigmoid_ tanh_ softmax_
    add_ sub_ mul_ div_ clamp_ clamp_min_ clamp_max_ masked_fill_ fill_ zero_ copy_ squeeze_ unsqueeze_ dropout_
    feature_dropout_ threshold_ exp_ sqrt_ rsqrt_ neg_ pow_
    sym_size sym_numel sym_stride
    """.split()
)
"""Names in ``aten``, for both kinds of program."""

SCALAR = frozenset(
    """
    __and__ __contains__ __getitem__ __is__ __isnot__ __not__ __or__ __range_length __derive_index Bool Float Int
    FloatImplicit IntImplicit ScalarImplicit append dim extend device dtype eq floordiv format ge gt insert
    is_autocast_enabled is_floating_point is_grad_enabled item keys le len list lt ne neg numel size slice
    storage_offset stride str tensor warn mathremainder get_device is_complex join values items _set_item
    __round_to_zero_floordiv empty bernoulli_
    """.split()
)
"""Further names in ``aten`` that TorchScript has, for numbers, lists and texts; and the two by which layers drop what
they drop in training (stochastic depth). A model that does so in eval mode is refused by ``infer``."""

CONTROL = frozenset(
    """
    Constant If Loop GetAttr SetAttr ListConstruct ListUnpack TupleConstruct TupleUnpack TupleIndex DictConstruct
    NumToTensor RaiseException Return Param Uninitialized unchecked_cast unchecked_unwrap_optional device dtype
    is_cuda layout shape max min abs isinstance data requires_grad is_quantized is_sparse is_nested is_mkldnn
    TupleSlice itemsize type
    """.split()
)
"""Names in ``prim``: control flow and containers of TorchScript. Calls are inlined before they are looked at."""

PYTHON = frozenset("add sub mul floordiv truediv mod neg eq ne lt le gt ge and_ or_ not_ pow getitem".split())
"""Names in Python's ``operator``, which exported programs use on numbers."""
