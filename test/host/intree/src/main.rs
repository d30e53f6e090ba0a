//! Instances created, called and dropped on the pooling allocator of the `wasmtime` crate, to compare its own
//! pagemap scan with no scan and with keepwarm. The workloads are those of wasmtime_pool.c, and so is the check:
//! each instance looks at the pages it will write, and at its table, before it writes.
//!
//! `intree --help`. Prints instances_per_second= and instances_per_cpu_second=, which other load on the machine
//! disturbs less. Exit status 1: an instance saw another one's data.

use std::fmt::{Display, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, PoolingAllocationConfig, Store,
};

const KIB: usize = 1024;
const WASM_PAGE: usize = 64 * KIB;
const PAGE: usize = 4096;
const TABLE_SIZE: usize = 512;

struct Workload {
    name: &'static str,
    /// KiB: at the start, filled by the module, after a grow.
    memory: usize,
    image: usize,
    most: usize,
    /// Pages written, and pages from one to the next.
    dirty: usize,
    stride: usize,
}

const WORKLOADS: &[Workload] = &[
    Workload { name: "dense", memory: 4096, image: 1024, most: 4096, dirty: 32, stride: 1 },
    Workload { name: "scattered", memory: 4096, image: 1024, most: 4096, dirty: 200, stride: 5 },
    Workload { name: "large", memory: 65536, image: 64, most: 65536, dirty: 64, stride: 256 },
    Workload { name: "small", memory: 1024, image: 64, most: 1024, dirty: 2, stride: 1 },
    Workload { name: "grow", memory: 1024, image: 64, most: 16384, dirty: 16, stride: 256 },
];

struct Options {
    workload: &'static Workload,
    scan: bool,
    table_keep: usize,
    threads: usize,
    seconds: f64,
}

fn die(what: impl Display) -> ! {
    eprintln!("intree: {what}");
    exit(125)
}

fn must<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| die(format_args!("{what}: {error:#}")))
}

/// The module. A page of the image holds its number plus one in its first and its last word; all else is zero.
/// $wrong says whether an address (the first or last word of a page) holds another word than a fresh instance
/// must find; run returns 0, or where it found another.
fn module_text(w: &Workload) -> String {
    let (pages, most) = (w.memory * KIB / WASM_PAGE, w.most * KIB / WASM_PAGE);
    let mut image = String::new();
    for page in 0..w.image * KIB / PAGE {
        for at in 0..PAGE {
            let marked = !(4..PAGE - 4).contains(&at);
            let byte = if marked { (page + 1) >> (at % 4 * 8) & 0xff } else { 0 };
            write!(image, "\\{byte:02x}").unwrap();
        }
    }
    let (image_end, dirty, step, grow) = (w.image * KIB, w.dirty, w.stride * PAGE, most - pages);
    format!(
        r#"(module
  (memory {pages} {most})
  (data (i32.const 0) "{image}")
  (table $t {TABLE_SIZE} funcref)
  (elem (i32.const 0) $dummy)
  (func $dummy)
  (elem declare func $dummy)
  (func $wrong (param $a i32) (result i32)
    (i32.ne (i32.load (local.get $a))
      (if (result i32) (i32.ge_u (local.get $a) (i32.const {image_end}))
        (then (i32.const 0))
        (else (i32.add (i32.shr_u (local.get $a) (i32.const 12)) (i32.const 1))))))
  (func $table (result i32) (local $i i32)
    (if (ref.is_null (table.get $t (i32.const 0))) (then (return (i32.const -2))))
    (local.set $i (i32.const 1))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then (return (i32.const -3))))
      (table.set $t (local.get $i) (ref.func $dummy))
      (local.set $i (i32.add (local.get $i) (i32.const 37)))
      (br_if $next (i32.lt_u (local.get $i) (table.size $t))))
    (table.set $t (i32.const 0) (ref.null func))
    (i32.const 0))
  (func (export "run") (param $value i32) (result i32) (local $a i32) (local $left i32)
    (if (i32.ne (memory.size) (i32.const {pages})) (then (return (i32.const -1))))
    (local.tee $left (call $table))
    (if (then (return (local.get $left))))
    (if (i32.const {grow})
      (then (if (i32.eq (memory.grow (i32.const {grow})) (i32.const -1)) (then (return (i32.const -4))))))
    (local.set $left (i32.const {dirty}))
    (loop $next
      (if (i32.or (call $wrong (local.get $a)) (call $wrong (i32.add (local.get $a) (i32.const 4092))))
        (then (return (i32.or (local.get $a) (i32.const 1)))))
      (i32.store (local.get $a) (local.get $value))
      (i32.store offset=4092 (local.get $a) (local.get $value))
      (local.set $a (i32.add (local.get $a) (i32.const {step})))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.const 0)))"#
    )
}

fn make_pre(options: &Options) -> InstancePre<()> {
    let most = options.workload.most * KIB;
    let slots = options.threads as u32 * 4 + 1;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .max_memory_size(most)
        .decommit_batch_size(1)
        .table_keep_resident(options.table_keep)
        // A scan writes back up to this much and drops the rest; with 0 it does not take place. Without a scan
        // this much is written back blindly, dirty or not.
        .linear_memory_keep_resident(if options.scan { most } else { 0 })
        .pagemap_scan(if options.scan { Enabled::Yes } else { Enabled::No });
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = must(Engine::new(&config), "engine");
    let module = must(Module::new(&engine, module_text(options.workload)), "compile");
    must(Linker::new(&engine).instantiate_pre(&module), "link")
}

/// Lets one instance live, and ends the program when it was not fresh.
fn must_be_fresh(pre: &InstancePre<()>, value: i32) {
    let mut store = Store::new(pre.module().engine(), ());
    let instance = must(pre.instantiate(&mut store), "instantiate");
    let run = must(instance.get_typed_func::<i32, i32>(&mut store, "run"), "function run");
    let found = must(run.call(&mut store, value), "run");
    if found == 0 {
        return;
    }
    let what = match found {
        -1 => "memory size",
        -4 => "no growing",
        ..-1 => "table",
        _ => "memory at",
    };
    eprintln!("intree: an instance is not fresh: {what} {:#x}", found & !1);
    exit(1)
}

/// The CPU time this process has taken, to 10 ms.
fn cpu_seconds() -> f64 {
    let stat = must(std::fs::read_to_string("/proc/self/stat"), "/proc/self/stat");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|text| text.parse::<f64>().ok());
    ticks(11).zip(ticks(12)).map_or_else(|| die("/proc/self/stat"), |(user, system)| (user + system) / 100.0)
}

fn measure(options: &Options, pre: &InstancePre<()>) {
    for _ in 0..3 {
        must_be_fresh(pre, 1); // code and slots are warm from here on
    }
    let stop = AtomicBool::new(false);
    let (start, cpu_start) = (Instant::now(), cpu_seconds());
    let total: u64 = std::thread::scope(|scope| {
        let work = || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                must_be_fresh(pre, 0x5eed + count as i32);
                count += 1;
            }
            count
        };
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        std::thread::sleep(Duration::from_secs_f64(options.seconds));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let (took, cpu_took) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu_start);
    println!(
        "workload={} scan={} table_keep={} threads={} instances={total}",
        options.workload.name, options.scan, options.table_keep, options.threads
    );
    println!("instances_per_second={:.1}", total as f64 / took);
    println!("instances_per_cpu_second={:.1}", total as f64 / cpu_took.max(0.01));
}

fn help() -> ! {
    println!(
        "usage: intree [--workload NAME] [--scan on|off] [--table-keep BYTES] [--threads N] [--seconds S]\n\
         --scan on: Wasmtime's own pagemap scan, with all of a memory allowed to stay resident\n\
         --table-keep: bytes of a table that may stay resident, default 0\n\
         Workloads:"
    );
    for w in WORKLOADS {
        println!(
            "  {:10} {} KiB, at most {} KiB, {} KiB of image, {} dirty pages {} apart",
            w.name, w.memory, w.most, w.image, w.dirty, w.stride
        );
    }
    exit(0)
}

fn parse() -> Options {
    let mut options = Options { workload: &WORKLOADS[0], scan: false, table_keep: 0, threads: 1, seconds: 2.0 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--help" {
            help()
        }
        let value = arguments.next().unwrap_or_else(|| die(format_args!("{name}: no value")));
        let bad = || -> ! { die(format_args!("{name} {value}: see --help")) };
        match name.as_str() {
            "--workload" => options.workload = WORKLOADS.iter().find(|w| w.name == value).unwrap_or_else(|| bad()),
            "--scan" => {
                options.scan = match value.as_str() {
                    "on" => true,
                    "off" => false,
                    _ => bad(),
                }
            }
            "--table-keep" => options.table_keep = value.parse().unwrap_or_else(|_| bad()),
            "--threads" => options.threads = value.parse().unwrap_or_else(|_| bad()),
            "--seconds" => options.seconds = value.parse().unwrap_or_else(|_| bad()),
            _ => bad(),
        }
    }
    if !(1..=64).contains(&options.threads) || !(options.seconds > 0.0 && options.seconds < 3600.0) {
        die("threads or seconds out of range");
    }
    options
}

fn main() {
    let options = parse();
    let pre = make_pre(&options);
    measure(&options, &pre);
}
