//! Writes to 256 pages, 16 KiB from each other, and answers with how many were not fresh.

use serve_app::wasip2::http::types::{IncomingRequest, ResponseOutparam};

const STRIDE: usize = 16 << 10;
const PAGES: usize = 256;

static mut MEMORY: [u8; STRIDE * PAGES] = [0; STRIDE * PAGES];

struct Scattered;

serve_app::wasip2::http::proxy::export!(Scattered);

impl serve_app::wasip2::exports::http::incoming_handler::Guest for Scattered {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let mut used = 0;
        for page in 0..PAGES {
            // An instance has one thread, and sees one request.
            unsafe {
                let byte = (&raw mut MEMORY).cast::<u8>().add(page * STRIDE);
                used += usize::from(byte.read_volatile() != 0);
                byte.write_volatile(1);
            }
        }
        serve_app::answer(out, &format!("{used} pages used before\n"));
    }
}
