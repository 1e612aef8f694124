"""A convolution as libraries of optimised kernels want it described: sizes, and how the window moves."""

from __future__ import annotations

from typing import NamedTuple

from refinfer.kernels.window import windows
from refinfer.schema.graph import Tensor
from refinfer.schema.options import Conv2DOptions, DepthwiseConv2DOptions


class Window(NamedTuple):
    """The sizes of input, filter and output, and how the filter moves over the input."""

    batches: int
    height: int
    width: int
    channels: int  # of the input
    filter_height: int
    filter_width: int
    filter_channels: int  # that each filter sees
    output_height: int
    output_width: int
    output_channels: int
    stride: tuple[int, int]  # rows, columns; so are the others
    dilation: tuple[int, int]
    padding: tuple[int, int]

    @property
    def products(self) -> int:
        """How many cells of the input lie under a window."""
        return self.filter_height * self.filter_width * self.channels


def window(x: Tensor, weights: Tensor, y: Tensor, options: Conv2DOptions | DepthwiseConv2DOptions) -> Window:
    """A convolution of three tensors of rank 4; its padding is what lies ahead of the image."""
    rows = windows(options.padding, x.shape[1], weights.shape[1], options.stride_h, options.dilation_h_factor)
    columns = windows(options.padding, x.shape[2], weights.shape[2], options.stride_w, options.dilation_w_factor)
    dilation = (options.dilation_h_factor, options.dilation_w_factor)
    return over(x, weights, y, (options.stride_h, options.stride_w), dilation, (rows.before, columns.before))


def over(
    x: Tensor, weights: Tensor, y: Tensor, stride: tuple[int, int], dilation: tuple[int, int], padding: tuple[int, int]
) -> Window:
    """The sizes that three tensors of rank 4 have, with such a movement."""
    return Window(
        batches=x.shape[0],
        height=x.shape[1],
        width=x.shape[2],
        channels=x.shape[3],
        filter_height=weights.shape[1],
        filter_width=weights.shape[2],
        filter_channels=weights.shape[3],
        output_height=y.shape[1],
        output_width=y.shape[2],
        output_channels=y.shape[3],
        stride=stride,
        dilation=dilation,
        padding=padding,
    )
