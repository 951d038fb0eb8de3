//! One connection through the proxy.

use std::{future::poll_fn, pin::pin, sync::atomic::AtomicU64, task::Poll};

use socket2::SockRef;
use tokio::{net::TcpStream, sync::watch};

use super::{Ending, Faults, pump::pump};

/// Forwards in both directions until both have ended, or one ends all.
pub(super) async fn forward(
    mut sides: [TcpStream; 2],
    faults: [watch::Receiver<Faults>; 2],
    forwarded: &[AtomicU64; 2],
) {
    sides.iter().for_each(|side| _ = side.set_nodelay(true));
    let ending = {
        let [client, server] = &mut sides;
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let [up, down] = faults;
        let mut up = pin!(pump(from_client, to_server, up, &forwarded[0]));
        let mut down = pin!(pump(from_server, to_client, down, &forwarded[1]));
        let mut over = [false; 2];
        poll_fn(|cx| {
            for (n, pump) in [up.as_mut(), down.as_mut()].into_iter().enumerate() {
                if !over[n]
                    && let Poll::Ready(ending) = pump.poll(cx)
                {
                    over[n] = true;
                    if ending != Ending::HalfClose {
                        return Poll::Ready(ending);
                    }
                }
            }
            if over == [true; 2] { Poll::Ready(Ending::Cut) } else { Poll::Pending }
        })
        .await
    };
    if ending == Ending::Reset {
        sides.iter().for_each(reset);
    }
}

/// Makes closing a connection a reset.
pub(super) fn reset(side: &TcpStream) {
    // A socket that refuses this is closed in order, which the tests that asked for a reset see.
    let _ = SockRef::from(side).set_linger(Some(std::time::Duration::ZERO));
}
