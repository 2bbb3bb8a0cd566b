//! Convolutions of any window and pools, beside Burn's.

use burn::prelude::*;
use burn::tensor::DType;
use burn::tensor::activation::relu;
use burn::tensor::module::{self, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};

use crate::tests::{assert_close, check, flat, random};
use crate::{Taken, pool3x3, window_conv};

/// Filter, stride, padding, channels in and out, rows and columns of the image.
type Windowed = ([usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

#[test]
fn convolutions_of_every_window_have_the_gradients_of_their_sums() {
    let cases: [Windowed; 9] = [
        ([1, 1], [1, 1], [0, 0], [5, 9], [7, 8]),
        // Fewer pixels than a vector has, and more terms than one pass.
        ([1, 1], [1, 1], [0, 0], [130, 4], [3, 3]),
        ([3, 3], [1, 1], [0, 0], [3, 17], [9, 8]),
        ([3, 3], [2, 2], [0, 0], [3, 8], [11, 12]),
        ([5, 5], [1, 1], [2, 2], [6, 10], [9, 9]),
        ([7, 1], [1, 1], [3, 0], [16, 8], [9, 7]),
        ([1, 7], [1, 1], [0, 3], [16, 8], [9, 7]),
        ([2, 3], [3, 2], [1, 2], [4, 3], [10, 7]),
        ([3, 2], [1, 3], [2, 0], [4, 3], [4, 41]),
    ];
    for (filter, stride, padding, [inputs, outputs], [height, width]) in cases {
        let x = |x: Tensor<1>| x.reshape([2, inputs, height, width]);
        let w = |w: Tensor<1>| w.reshape([outputs, inputs, filter[0], filter[1]]);
        let options = || ConvOptions::new(stride, padding, [1, 1], 1);
        let lens = [
            2 * inputs * height * width,
            outputs * inputs * filter[0] * filter[1],
            outputs,
        ];
        check(
            lens,
            |[a, c, b]| flat(window_conv(x(a), w(c), Some(b), stride, padding, false)),
            |[a, c, b]| flat(conv2d(x(a), w(c), Some(b), options())),
        );
        check(
            lens,
            |[a, c, b]| flat(window_conv(x(a), w(c), Some(b), stride, padding, true)),
            |[a, c, b]| flat(relu(conv2d(x(a), w(c), Some(b), options()))),
        );
        let [len, weights, _] = lens;
        check(
            [len, weights],
            |[a, c]| flat(window_conv(x(a), w(c), None, stride, padding, false)),
            |[a, c]| flat(conv2d(x(a), w(c), None, options())),
        );
    }
}

#[test]
fn an_image_is_convolved_to_the_same_bits_alone_and_among_others() {
    let x = random(5 * 12 * 17 * 17).reshape([5, 12, 17, 17]);
    for ([rows, columns], stride) in [([7, 1], 1), ([1, 7], 1), ([3, 3], 2), ([1, 1], 1)] {
        let w = random(40 * 12 * rows * columns).reshape([40, 12, rows, columns]);
        let (stride, padding) = ([stride; 2], [rows / 2, columns / 2]);
        let all = window_conv(x.clone(), w.clone(), None, stride, padding, false);
        let one = window_conv(x.clone().narrow(0, 3, 1), w, None, stride, padding, false);
        let want = all.narrow(0, 3, 1).into_data();
        one.into_data().assert_eq(&want, true);
    }
}

#[test]
fn pools_have_the_gradients_of_their_squares() {
    for (stride, padding) in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)] {
        for [height, width] in [[3, 3], [9, 8], [35, 17]] {
            let x = |x: Tensor<1>| x.reshape([2, 20, height, width]);
            let len = [40 * height * width];
            check(
                len,
                |[a]| flat(pool3x3(Taken::Largest, x(a), stride, padding)),
                |[a]| {
                    let options = MaxPoolOptions::new([3, 3]).with_stride([stride; 2]);
                    flat(module::max_pool2d(x(a), options.with_padding([padding; 2])))
                },
            );
            for (taken, counted) in [(Taken::Mean, false), (Taken::MeanWithBorder, true)] {
                let options = AvgPoolOptions::new([3, 3]).with_stride([stride; 2]);
                let options = options.with_padding([padding; 2]);
                let options = options.with_count_include_pad(counted);
                check(
                    len,
                    |[a]| flat(pool3x3(taken, x(a), stride, padding)),
                    |[a]| flat(module::avg_pool2d(x(a), options.clone())),
                );
            }
        }
    }
}

#[test]
#[should_panic(
    expected = "no pool of three by three pixels with stride 1 and a border of 0 in 2 by 5"
)]
fn a_pool_larger_than_its_image_panics() {
    pool3x3(Taken::Mean, random(10).reshape([1, 1, 2, 5]), 1, 0);
}

#[test]
#[should_panic(expected = "a filter of [3, 3] in an image of [2, 5]")]
fn a_filter_larger_than_its_image_panics() {
    let (x, w) = (
        random(10).reshape([1, 1, 2, 5]),
        random(9).reshape([1, 1, 3, 3]),
    );
    window_conv(x, w, None, [1, 1], [0, 0], false);
}

#[test]
fn other_number_types_are_composed_to_the_same_values() {
    let x = random(2 * 3 * 9 * 8).reshape([2, 3, 9, 8]);
    let w = random(5 * 3 * 3 * 2).reshape([5, 3, 3, 2]);
    let double = |tensor: Tensor<4>| tensor.cast(DType::F64);
    let conv = |x, w| window_conv(x, w, None, [2, 1], [1, 0], true);
    let composed = conv(double(x.clone()), double(w.clone())).cast(DType::F32);
    assert_close(flat(conv(x.clone(), w)), flat(composed), "a convolution");
    for taken in [Taken::Largest, Taken::Mean, Taken::MeanWithBorder] {
        let composed = pool3x3(taken, double(x.clone()), 1, 1).cast(DType::F32);
        assert_close(
            flat(pool3x3(taken, x.clone(), 1, 1)),
            flat(composed),
            "a pool",
        );
    }
}
