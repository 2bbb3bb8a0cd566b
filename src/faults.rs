//! What graphics cards and their drivers fail with, in words.
//!
//! Burn's backends panic where a driver is absent, or a card is full or lost, with messages for programmers: those of
//! cubecl 0.11, cudarc 0.19 and wgpu 30. Here they become what a user can do about it.

use std::any::Any;
use std::sync::OnceLock;

/// What is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// NVIDIA's driver is absent.
    NoCuda,
    /// CUDA's compiler is absent.
    NoCompiler,
    /// The headers that CUDA's compiler reads are absent.
    NoHeaders,
    /// A driver is older than what was compiled in.
    Old,
    /// There is a driver, and no card that it would show.
    NoCard,
    /// Somebody else has the card for himself.
    Taken,
    /// No driver of Vulkan, Metal or DirectX 12 has a card.
    NoAdapter,
    /// The driver of a card lacks what a backend needs.
    Lacking,
    /// The card is full.
    Memory,
    /// The card does not answer any more.
    Lost,
    /// A kernel cannot be compiled.
    Kernel,
}

/// What tells them apart, in the order of the search: a card that is lost may complain of memory next.
const SIGNS: &[(Fault, &[&str])] = &[
    (
        Fault::NoCompiler,
        &["Unable to dynamically load the \"nvrtc\""],
    ),
    (Fault::NoCuda, &["Unable to dynamically load the \"cuda\""]),
    (Fault::NoHeaders, &["CUDA installation not found"]),
    (
        Fault::Old,
        &[
            "Missing symbol ",
            "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
            "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
            "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            "CUDA_ERROR_STUB_LIBRARY",
        ],
    ),
    (
        Fault::NoCard,
        &["CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_INVALID_DEVICE"],
    ),
    (Fault::Taken, &["CUDA_ERROR_DEVICE_UNAVAILABLE"]),
    (
        Fault::NoAdapter,
        &["Unable to acquire wgpu device", "No adapter available for"],
    ),
    (
        Fault::Lacking,
        &[
            "Unable to request a wgpu device",
            "Unable to request Vulkan device",
            "Unable to request Metal device",
            "Unable to initialize wgpu runtime",
        ],
    ),
    (
        Fault::Lost,
        &[
            "he device is poisoned",
            "he device was poisoned",
            "evice is lost",
            "device was lost",
            "CUDA_ERROR_ILLEGAL_ADDRESS",
            "CUDA_ERROR_LAUNCH_FAILED",
            "CUDA_ERROR_LAUNCH_TIMEOUT",
            "CUDA_ERROR_ECC_UNCORRECTABLE",
            "CUDA_ERROR_UNKNOWN",
        ],
    ),
    (
        Fault::Memory,
        &[
            "out of device memory",
            "can't allocate buffer of size",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "wgpu error: Out of Memory",
            "Not enough memory left",
            "n out-of-memory error happened",
            "every page size the memory tracks",
            "couldn't map storage for a deferred allocation",
            "is greater than the maximum buffer size",
            "no staging buffer could be allocated",
        ],
    ),
    (
        Fault::Kernel,
        &["A compilation error happened", "[Compilation Error]"],
    ),
];

impl Fault {
    /// Which it is, by what a library says.
    pub fn of(text: &str) -> Option<Self> {
        let is_said = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
        let found = SIGNS.iter().find(|(_, signs)| is_said(signs));
        found.map(|(fault, _)| *fault)
    }

    /// What is wrong, and what to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoCuda => {
                "NVIDIA's driver is not installed (there is no libcuda). Install it, after which `nvidia-smi` lists \
                 the card, or choose another device, as in --device cpu"
            }
            Self::NoCompiler => {
                "CUDA's compiler NVRTC is not installed (there is no libnvrtc). Install NVIDIA's CUDA toolkit, of \
                 the version that `nvidia-smi` shows or an older one, or let LD_LIBRARY_PATH name its folder"
            }
            Self::NoHeaders => {
                "the headers of CUDA were not found. Install NVIDIA's CUDA toolkit, or let CUDA_PATH name its folder, \
                 below which is include/cuda_runtime.h"
            }
            Self::Old => {
                "the driver of the card is older than the CUDA that this program was built for. Update the driver, or \
                 build the program on this machine"
            }
            Self::NoCard => {
                "NVIDIA's driver shows no such card. `nvidia-smi` lists those that there are, CUDA_VISIBLE_DEVICES \
                 hides some, and a container needs --gpus all"
            }
            Self::Taken => {
                "another process has the card for itself. `nvidia-smi` shows which; wait for it, or choose another \
                 card, as in --device cuda:1"
            }
            Self::NoAdapter => {
                "no card with a driver of Vulkan, Metal or DirectX 12 was found. Install one, after which \
                 `vulkaninfo --summary` lists the card, or choose another device, as in --device cpu"
            }
            Self::Lacking => {
                "the driver of the card lacks something that this backend needs. Update it, or choose another device, \
                 as in --device wgpu or --device cpu"
            }
            Self::Memory => {
                "the card's memory is used up. Lower --batch; in a training lower batch_size and raise accumulation \
                 as much, which is the same step (`svg cost --config` says what one needs). `nvidia-smi` shows what \
                 other processes hold"
            }
            Self::Lost => {
                "the card does not answer any more: its driver has given up. Try again, and after that look into the \
                 system's log (`dmesg`); a training goes on from its last checkpoint by --resume"
            }
            Self::Kernel => {
                "a kernel cannot be compiled for this card. Update its driver, or choose another device, as in \
                 --device wgpu or --device cpu"
            }
        }
    }
}

/// A message in words, with how much memory was asked for if it says so, and the first line of what the library said.
pub fn in_words(text: &str) -> Option<String> {
    let fault = Fault::of(text)?;
    let asked = match fault {
        Fault::Memory => asked(text).map_or(String::new(), |bytes| {
            format!(", {:.1} MiB at once", bytes as f64 / f64::from(1 << 20))
        }),
        _ => String::new(),
    };
    Some(format!(
        "{} (it says: {}{asked})",
        fault.advice(),
        line(text)
    ))
}

/// The line of a message that tells most: the one with the sign.
fn line(text: &str) -> String {
    let has_sign = |line: &&str| Fault::of(line).is_some();
    let line = text.lines().find(has_sign).or(text.lines().next());
    let line = line.unwrap_or_default().trim();
    let end = line
        .char_indices()
        .nth(160)
        .map_or(line.len(), |(at, _)| at);
    line[..end].trim_end_matches([':', '.']).to_string()
}

/// How many bytes could not be had.
fn asked(text: &str) -> Option<u64> {
    ["allocating ", "buffer of size: ", "Buffer size "]
        .iter()
        .find_map(|before| {
            let (_, after) = text.split_once(before)?;
            let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
}

/// The first fault that a panic told of, in words: later ones follow from it.
static FIRST: OnceLock<String> = OnceLock::new();

/// From now on panics that tell of a card's fault are kept for [`of_panic`] instead of printed, unless RUST_BACKTRACE
/// asks for everything. Some come from threads of Burn's, whose panics nobody else would hear of.
pub fn keep_quiet() {
    let loud = std::env::var_os("RUST_BACKTRACE").is_some_and(|set| set != "0");
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic_text(panic.payload()).and_then(in_words);
        let is_fault = words.is_some() || FIRST.get().is_some();
        if let Some(words) = words {
            let _ = FIRST.set(words);
        }
        if loud || !is_fault {
            others(panic);
        }
    }));
}

/// What a panic tells of cards: itself, or what came before it.
pub fn of_panic(payload: &(dyn Any + Send)) -> Option<String> {
    let words = panic_text(payload).and_then(in_words);
    words.or_else(|| FIRST.get().cloned())
}

/// The message of a panic.
pub fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the libraries say, word for word.
    const SAID: &[(Fault, &str)] = &[
        (
            Fault::NoCuda,
            "Unable to dynamically load the \"cuda\" shared library - searched for library names: [\"libcuda.so\", \
             \"libcuda64.so\"]. Ensure that `LD_LIBRARY_PATH` has the correct path to the installed library. If the \
             shared library is present on the system under a different name than one of those listed above, please \
             open a GitHub issue.",
        ),
        (
            Fault::NoCompiler,
            "Unable to dynamically load the \"nvrtc\" shared library - searched for library names: \
             [\"libnvrtc.so\", \"libnvrtc64.so\"]. Ensure that `LD_LIBRARY_PATH` has the correct path to the \
             installed library.",
        ),
        (
            Fault::NoHeaders,
            "\n        CUDA installation not found.\n        Please ensure that CUDA is installed and the CUDA_PATH \
             environment variable is set correctly.\n",
        ),
        (
            Fault::Old,
            "Missing symbol cuCtxCreate_v4: /usr/lib/libcuda.so: undefined symbol: cuCtxCreate_v4",
        ),
        (
            Fault::Old,
            "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, \"the \
             provided PTX was compiled with an unsupported toolchain.\")",
        ),
        (
            Fault::NoCard,
            "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_NO_DEVICE, \"no CUDA-capable device \
             is detected\")",
        ),
        (
            Fault::Taken,
            "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_DEVICE_UNAVAILABLE, \"CUDA-capable \
             device(s) is/are busy or unavailable\")",
        ),
        (
            Fault::NoAdapter,
            "Unable to acquire wgpu device: AdapterUnavailable { device: DefaultDevice, message: \"No suitable \
             graphics adapter found\" }",
        ),
        (
            Fault::Lacking,
            "Unable to request Vulkan device: RequestDeviceError { inner: Core(UnsupportedFeature(..)) }",
        ),
        (
            Fault::Memory,
            "Failed to read tensor data: An error happened during execution\nCaused by:\n  out of device memory \
             allocating 3221225472 bytes\n   0: std::backtrace_rs::backtrace",
        ),
        (
            Fault::Memory,
            "called `Result::unwrap()` on an `Err` value: CallError(task panicked on device runner thread: wgpu \
             error: Out of Memory)",
        ),
        (
            Fault::Memory,
            "wgpu error: Validation Error\n\nCaused by:\n  In Device::create_buffer\n    Buffer size 5368709120 is \
             greater than the maximum buffer size (4294967296)\n",
        ),
        (
            Fault::Memory,
            "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
        ),
        (
            Fault::Lost,
            "A launch error happened\nCaused by:\n  The device was poisoned during launch\nCaused by:\n  \
             DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access was encountered\")",
        ),
        (Fault::Lost, "wgpu error: Parent device is lost"),
        (
            Fault::Kernel,
            "A compilation error happened during launch\nCaused by:\n  [Compilation Error] \n    default_program(3): \
             error: identifier \"__nv_bfloat16\" is undefined",
        ),
    ];

    #[test]
    fn what_the_libraries_say_is_told_apart() {
        for (fault, text) in SAID {
            assert_eq!(Fault::of(text), Some(*fault), "{text}");
        }
        for text in [
            "index out of bounds: the len is 3 but the index is 3",
            "`neighbours` must be at least 1",
            "memory",
        ] {
            assert_eq!(Fault::of(text), None, "{text}");
        }
    }

    #[test]
    fn a_sentence_says_what_to_do_and_has_no_backtrace() {
        for (fault, text) in SAID {
            let words = in_words(text).unwrap();
            let (advice, said) = words.split_once(" (it says: ").unwrap();
            assert_eq!(advice, fault.advice());
            assert!(said.len() < 240 && !said.contains('\n'), "{words}");
            assert!(!words.contains("backtrace"), "{words}");
        }
    }

    #[test]
    fn a_full_card_is_told_how_much_was_asked_for() {
        let said = |text: &str| in_words(text).unwrap();
        let words = said("out of device memory allocating 3221225472 bytes\nat f");
        assert!(words.ends_with("bytes, 3072.0 MiB at once)"), "{words}");
        assert!(
            said("can't allocate buffer of size: 1048576\n").contains(", 1.0 MiB at once"),
            "{words}"
        );
        assert!(!said("wgpu error: Out of Memory").contains("MiB"));
        // More digits than a number has.
        let absurd = format!("can't allocate buffer of size: {}", "9".repeat(40));
        assert!(!said(&absurd).contains("MiB"));
    }

    #[test]
    fn a_panic_of_a_card_is_words_and_another_is_not() {
        let of = |text: &'static str| {
            let work = || -> () { panic!("{text}") };
            of_panic(&*std::panic::catch_unwind(work).unwrap_err())
        };
        assert_eq!(of("a bug"), None);
        let words = of("wgpu error: Out of Memory").unwrap();
        assert!(words.contains("Lower --batch"), "{words}");
    }
}
