//! A host of the edge with the edge in it: there are two, and what one of them lets pass the other must too.

use crate::spin::SpinHost;
use crate::worker::Worker;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The worker, in workerd.
    Workerd,
    /// The gateway, in what stands for Spin.
    Spin,
}

/// One that runs. It is stopped when this is dropped, also by a panic.
pub(crate) struct Running {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    inner: Inner,
}

enum Inner {
    Workerd(Worker),
    Spin(SpinHost),
}

impl Running {
    /// Starts the packaged edge in front of `origin_url`. `entries` are keys of the store and what it holds
    /// under them.
    pub(crate) fn start(host: Host, origin_url: &str, entries: &[(String, String)]) -> Self {
        match host {
            Host::Workerd => {
                let worker = Worker::start(origin_url, entries);
                Self {
                    port: worker.port,
                    inner: Inner::Workerd(worker),
                }
            }
            Host::Spin => Self::of_spin(SpinHost::start(origin_url, entries)),
        }
    }

    pub(crate) fn of_spin(spin: SpinHost) -> Self {
        Self {
            port: spin.port,
            inner: Inner::Spin(spin),
        }
    }

    /// Stops it, and returns all that it has printed.
    pub(crate) fn stop(self) -> String {
        match self.inner {
            Inner::Workerd(worker) => worker.stop(),
            Inner::Spin(spin) => spin.stop(),
        }
    }
}

/// Declares tests that both hosts have to pass.
#[allow(unused_macros, reason = "each test program uses a part of this")]
macro_rules! on_both_hosts {
    ($($test:ident),+ $(,)?) => {
        mod in_workerd {
            $(#[test] fn $test() { super::$test(crate::host::Host::Workerd); })+
        }
        mod in_spin {
            $(#[test] fn $test() { super::$test(crate::host::Host::Spin); })+
        }
    };
}
#[allow(unused_imports, reason = "each test program uses a part of this")]
pub(crate) use on_both_hosts;
