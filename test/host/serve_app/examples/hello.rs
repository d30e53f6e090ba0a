//! Says hello.

use serve_app::wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Hello;

serve_app::wasip2::http::proxy::export!(Hello);

impl serve_app::wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        serve_app::answer(out, "hello, world\n");
    }
}
