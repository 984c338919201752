// Package wire is the protocol between an Apache child, the client, and a worker of a daemon process group, over a UNIX stream
// socket. wire.h, beside this file, is its one implementation, for both ends of the straight road are C; this package is
// the specification, and what tests and fuzzing drive it with.
//
// # Frames
//
// Every byte on the socket belongs to a frame: a head of 8 bytes and a payload.
//
//	length of the payload   32 bits, big-endian, at most 4 MiB
//	type                    8 bits
//	flags                   8 bits
//	zero                    16 bits
//
// A frame that breaks these rules, or one that its receiver cannot expect at that point, ends the connection.
//
// # An exchange
//
// The client sends REQUEST, with what it has at hand of a small body. The worker answers with HEAD, DATA…, END; or HEAD, FILE. LOG and
// WANT may come before, between and after HEAD and DATA, as long as the exchange lasts. After WANT it is the client's turn, with one
// frame: BODY (not empty), BODY_END or BODY_FAIL. The body is pulled: the client sends no more of it than it was asked for, so that
// neither side can block the other, and a client that waits for "100 Continue" is told to go on when the application reads. There is no
// WANT after a body that came complete with the REQUEST, and none after BODY_END or BODY_FAIL.
//
// The last DATA of a response may say so (flag LAST): the response is to go to the HTTP client at once, although END, and with it
// the end of the exchange, comes when the application has cleaned up after itself.
//
//	HEAD DATA* END     a response; HEAD FILE: the body is a file, and the frame is its end
//	HEAD DATA* ABORT   a response that began and cannot be completed
//	FAIL               no response: the status to answer
//	RETRY              the application did not run; the request may be given to another worker, RETRY says why: the script changed, the
//	                   worker stops, or all its threads are at work
//
// After END, FILE, FAIL and RETRY the connection is ready for the next REQUEST, which must not come before. After ABORT, and when the client stops in the middle, it
// is closed.
//
// # A worker that ends
//
// When a worker ends with a request unread on its socket, the kernel tells the client ECONNRESET, or EPIPE when it sends: the
// application did not run, and the request goes to another worker. When it ends after it read the request, the client reads
// the end of the stream: the application may have run, and the request is answered 502.
//
// # The queue of a group
//
// A worker has a socket of its own, whose connections stay open, and its group has one on which all its workers listen. A
// request for which no thread is free goes there, over a connection that brings no other: which worker took it up, this side is not
// told. Until a thread has read the request, the client may close the connection, and the application does not run.
//
// # Who may connect
//
// The worker checks the peer's uid (SO_PEERCRED): Apache's, or root. Others are closed at once.
package wire
