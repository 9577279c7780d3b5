/*
 * IP addresses as bytes and as text, networks of them, and which of them are
 * a part of the internet that anyone may be sent to.
 *
 * An IPv4-mapped IPv6 address (::ffff:10.0.0.1) is the IPv4 address in it:
 * a socket that connects to one reaches the other.  It becomes that wherever
 * an address is made, so that nothing behind has to think of it.
 */

#ifndef ASYNC_ADDRESS_H
#define ASYNC_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "async_rc.h"
#include "async_record.h"


#define ASYNC_ADDRESS_V4  4             /* bytes, and the version besides */
#define ASYNC_ADDRESS_V6  16

typedef struct {
    uint8_t  len;                       /* ASYNC_ADDRESS_V4 or _V6 */
    uint8_t  bytes[ASYNC_ADDRESS_V6];   /* network order, unused ones are 0 */
} async_address_t;

/* all addresses whose first bits are these */
typedef struct {
    async_address_t  address;           /* bits behind the prefix are 0 */
    uint8_t          bits;
} async_cidr_t;


/* from sin_addr or sin6_addr; len is ASYNC_ADDRESS_V4 or _V6 */
void async_address_set(async_address_t *a, const void *bytes, size_t len);
/*
 * "192.0.2.1", four decimal numbers without leading zeros, or what RFC 4291,
 * section 2.2 allows for IPv6, without brackets and zone.  Nothing else that
 * inet_aton() would take.
 */
bool async_address_parse(async_address_t *a, async_str_t text);
bool async_address_equal(const async_address_t *a, const async_address_t *b);
/*
 * Whether it is a global unicast address: none of IANA's special-purpose
 * registries (RFC 6890 and its heirs; also those parts that are reachable,
 * where no server of anybody's lives), not multicast, not reserved.  What
 * carries an IPv4 address that something on the way may take out again is as
 * good as that: NAT64's 64:ff9b::/96 (RFC 6052) and interface ids of ISATAP
 * (RFC 5214).  6to4 and Teredo are refused as a whole.
 *
 * A network's own NAT64 prefix looks like any other address and is not known
 * here.
 */
bool async_address_global(const async_address_t *a);

/*
 * "10.0.0.0/8", "fd00::/8", or an address, which is a network of one.  Bits
 * behind the prefix are ignored.  A part of ::ffff:0:0/96 is refused unless
 * it is a single address: no address here is in it.
 */
bool async_cidr_parse(async_cidr_t *cidr, async_str_t text);
bool async_cidr_has(const async_cidr_t *cidr, const async_address_t *a);


#endif /* ASYNC_ADDRESS_H */
