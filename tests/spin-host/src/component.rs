//! The component, and what its instances can reach.

use crate::bindings;
use crate::egress::Egress;
use crate::key_value::KeyValue;
use crate::manifest::Resolved;
use crate::specification::Specification;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};
use wasmtime::component::{Component, GuestTaskId, HasSelf, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm, Store, StoreContextMut};
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ProxyHandler, ShouldAccept, WorkerExpiration, WorkerState,
    WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// A line of the log for each instance: tests count them.
const INSTANCE_BEGINS: &str = "spin-host: an instance begins";

/// What the functions of the host find of an instance.
pub(crate) struct Data {
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
    pub(crate) key_value: KeyValue,
    pub(crate) stores: Arc<Vec<String>>,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.egress,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// What makes instances.
pub(crate) struct Gateway {
    engine: Engine,
    service: ServicePre<Data>,
    egress: Egress,
    key_value: KeyValue,
    stores: Arc<Vec<String>>,
    variables: Arc<BTreeMap<String, String>>,
    now_unix_s: Option<u64>,
    requests_per_instance: usize,
    requests_at_once: usize,
    idle: Duration,
}

/// A clock that stands.
struct Standing(Duration);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// Compiles the component and links it.
pub(crate) fn load(
    specification: &Specification,
    manifest: Resolved,
) -> wasmtime::Result<ProxyHandler<Gateway>> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    // Compiled at each start: what runs for seconds need not be fast.
    config
        .cranelift_opt_level(OptLevel::None)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        .cranelift_debug_verifier(false);
    let engine = Engine::new(&config)?;
    let path = &specification.component;
    let component = Component::from_file(&engine, path);
    let component = component.with_context(|| format!("{} is no component", path.display()))?;
    let mut linker: Linker<Data> = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::Host_::add_to_linker::<_, HasSelf<Data>>(&mut linker, |data| data)?;
    let service = ServicePre::new(linker.instantiate_pre(&component)?)?;
    Ok(ProxyHandler::new(Gateway {
        engine,
        service,
        egress: Egress {
            allowed: Arc::new(manifest.allowed),
        },
        key_value: KeyValue::new(&specification.key_value, &specification.faults),
        stores: Arc::new(manifest.stores),
        variables: Arc::new(manifest.variables),
        now_unix_s: specification.now_unix_s,
        requests_per_instance: specification.requests_per_instance,
        requests_at_once: specification.requests_at_once,
        idle: Duration::from_millis(specification.idle_ms),
    }))
}

impl HandlerState for Gateway {
    type StoreData = Data;
    type WorkerExpiration = Expiration;
    type WorkerState = Limits;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Data, Expiration, Limits>> {
        let mut wasi = WasiCtx::builder();
        wasi.inherit_stdout().inherit_stderr();
        if let Some(now_unix_s) = self.now_unix_s {
            wasi.wall_clock(Standing(Duration::from_secs(now_unix_s)));
        }
        let data = Data {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            egress: self.egress.clone(),
            key_value: self.key_value.clone(),
            stores: self.stores.clone(),
            variables: self.variables.clone(),
        };
        let mut store = Store::new(&self.engine, data);
        eprintln!("{INSTANCE_BEGINS}");
        let proxy = Proxy::P3(self.service.instantiate_async(&mut store).await?);
        Ok(Instance {
            store,
            proxy,
            view: Data::http,
            expiration: Expiration {
                idle: self.idle,
                sleep: Box::pin(sleep(self.idle)),
            },
            state: Limits {
                requests_per_instance: self.requests_per_instance,
                requests_at_once: self.requests_at_once,
            },
        })
    }
}

/// Drops an instance that has rested for long enough.
pub(crate) struct Expiration {
    idle: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        match status {
            WorkerStatus::Idle => {
                if let Some(end) = start.checked_add(self.idle) {
                    self.sleep.as_mut().reset(end.into());
                }
                self.sleep.as_mut().poll(context)
            }
            WorkerStatus::Requests | WorkerStatus::PostReturn => Poll::Pending,
        }
    }
}

/// How many requests an instance serves.
pub(crate) struct Limits {
    requests_per_instance: usize,
    requests_at_once: usize,
}

impl WorkerState for Limits {
    type StoreData = Data;
    type RequestData = ();

    fn should_accept_request(&self, concurrent_count: usize, total_count: usize) -> ShouldAccept {
        if total_count >= self.requests_per_instance {
            ShouldAccept::Never
        } else if concurrent_count >= self.requests_at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Data>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Data>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            eprintln!("an instance has failed: {error:?}");
        }
        drop(store);
    }
}
