#!/usr/bin/env bash
# Every row of the comparison runs beside all peers and finds finite numbers, in a short form without optimisation that
# measures nothing. Installs what two of the peers need: libclang for iceoryx2, the headers of Boost.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "bench: every row of the comparison runs"
have_peers() {
    ls /usr/lib/llvm*/lib/libclang.so* >/dev/null 2>&1 && [ -e /usr/include/boost/version.hpp ] && command -v c++ >/dev/null
}
if ! have_peers && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends g++ libboost-dev libclang-dev
fi
if have_peers; then
    features=(--features peers)
else
    echo "skipped: the peers behind the feature \`peers\`, which need libclang and the headers of Boost"
    features=()
fi
cargo build --quiet --locked -p shm-benches --bin shm-benches "${features[@]}"
timeout 600 cargo run --quiet --locked -p shm-benches "${features[@]}" -- --short --check
