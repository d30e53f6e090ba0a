//! Resets memory through rustix, as Wasmtime does it, and checks each time that it is fresh. Prints whether dirty pages
//! stayed resident (then keepwarm answered the calls).
use rustix::mm::{madvise, mmap_anonymous, Advice, MapFlags, ProtFlags};
use std::ptr::null_mut;

const PAGE: usize = 4096;
const LENGTH: usize = 64 * PAGE;

extern "C" {
    fn mincore(address: *mut u8, length: usize, states: *mut u8) -> i32;
}

fn main() {
    let range = unsafe {
        mmap_anonymous(null_mut(), LENGTH, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE).expect("mmap")
    } as *mut u8;
    let mut resident = 0;
    for round in 0..2000 {
        let page = unsafe { range.add(round * 7 % 64 * PAGE) };
        unsafe {
            page.write_bytes(0x5a, PAGE);
            madvise(range.cast(), LENGTH, Advice::LinuxDontNeed).expect("madvise");
            let mut state = 0u8;
            mincore(page, PAGE, &mut state);
            resident += usize::from(state & 1);
            for at in (0..LENGTH).step_by(64) {
                assert_eq!(*range.add(at), 0, "round {round}, byte {at}");
            }
        }
    }
    println!("fresh, {resident} of 2000 stayed resident");
}
