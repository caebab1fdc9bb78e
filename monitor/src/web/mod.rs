//! The web side: the page, its JSON, and metrics. Whoever reaches it may read all of it.

mod guard;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use mesh::health::Health;

use crate::mesh_watch::MeshWatch;
use crate::metrics;

/// Browsers and scrapers that may be connected at one time.
const MOST_CONNECTIONS: usize = 256;

/// How long a request's head may take, and how long an answered connection may stay idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// What never changes while a monitor runs: path, media type, body.
const FILES: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("/icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
    ("/page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
    ("/page.js", JAVASCRIPT, include_str!("../page/page.js")),
    ("/dom.js", JAVASCRIPT, include_str!("../page/dom.js")),
    ("/format.js", JAVASCRIPT, include_str!("../page/format.js")),
    ("/processes.js", JAVASCRIPT, include_str!("../page/processes.js")),
    ("/theme.js", JAVASCRIPT, include_str!("../page/theme.js")),
    ("/tiles.js", JAVASCRIPT, include_str!("../page/tiles.js")),
];

/// The media type of scripts.
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Serves on `listener`, in a thread of its own, for as long as the future is polled.
///
/// # Errors
/// Where the listener is of no use.
pub fn serve(listener: TcpListener, watch: Arc<MeshWatch>) -> io::Result<Server> {
    let only_this_machine = listener.local_addr()?.ip().is_loopback();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(Arc::clone(&watch)))
            .app_data(Data::new(guard::Hosts { only_this_machine }))
            .wrap(from_fn(guard::guard))
            .configure(routes)
    });
    let server = server
        .workers(1)
        .max_connections(MOST_CONNECTIONS)
        .client_request_timeout(PATIENCE)
        .keep_alive(PATIENCE)
        .shutdown_timeout(1)
        .disable_signals();
    Ok(server.listen(listener)?.run())
}

fn routes(config: &mut ServiceConfig) {
    for (path, kind, body) in FILES {
        config.service(get(path, move || async move { HttpResponse::Ok().content_type(kind).body(body) }));
    }
    config
        .service(get("/api/mesh", mesh_json))
        .service(get("/metrics", metrics_text))
        .service(get("/healthz", healthz))
        .service(get("/readyz", readyz))
        .default_service(web::to(not_found));
}

fn get<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(only_get))
}

async fn mesh_json(watch: Data<MeshWatch>) -> HttpResponse {
    HttpResponse::Ok().json(watch.view())
}

async fn metrics_text(watch: Data<MeshWatch>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(metrics::text(&watch.view()))
}

async fn healthz(watch: Data<MeshWatch>) -> HttpResponse {
    health(&watch, watch.troubles().is_empty())
}

async fn readyz(watch: Data<MeshWatch>) -> HttpResponse {
    health(&watch, watch.ready())
}

fn health(watch: &MeshWatch, good: bool) -> HttpResponse {
    let mut response = if good { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(serde_json::json!({
        "Process": "monitor",
        "Ready": watch.ready(),
        "Troubles": watch.troubles(),
        "Figures": watch.figures(),
    }))
}

async fn only_get() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).body("only GET is answered here\n")
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().body("there is /, /api/mesh, /metrics, /healthz and /readyz\n")
}
