//! What happens on the wire and in the sockets, made on a real kernel, and everything that the tracer must say of it.

mod shapes;
