//! `postgres-worker URL SECRET`: does operations as its input says (`tests/tests/postgres`).

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("a URL");
    let secret = arguments.next().expect("a file with the root's secret");
    keyfold_conformance::rpc::serve(&url, secret.as_ref())
}
