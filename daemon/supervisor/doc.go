// Package supervisor is the process that starts, replaces and ends the workers of one generation's daemon process groups.
//
// What is to be done and when is decided in policy.go, standby.go, group.go and exit.go by one goroutine that gets events and a clock,
// and acts through the interface system. The rest is that interface's filling: processes, users, sockets; and Main, the loop
// around all of it.
//
// A group has as many seats as processes=. A seat has a worker, and for a while two: the one that asked to be replaced, and
// its replacement. Only when that is ready is the old one told to finish. One that will have served maximum-requests soon has its
// replacement already, which stands by. A worker occupies a slot of the scoreboard,
// whichever is free.
//
// A seat whose worker ended gets a new one at once if the last one did well, else after a delay that grows with each failure.
package supervisor
