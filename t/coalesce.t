# Requests that ask for the same while it is under way are one job.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: as long as a job is unfinished another is not made
--- config
    location /a     { async on; async_coalesce $arg_key; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $first = submit('/a?key=k&sleep=1', body => 'one');
my $id    = $first->json->{id};

for my $state ('queued', 'processing') {
    ok(poll_until(20, sub { get("/jobs/$id")->json->{status} eq $state }), $state) if $state ne 'queued';
    my $again = submit('/a?key=k&sleep=2', body => 'another');
    is($again->json->{id}, $id, "$state: the same job, whatever else is asked for");
    is($again->header('Idempotent-Replayed'), undef, 'it was not sent before');
    like($again->header('Location'), qr{/jobs/$id$}, 'Location');
    ok($again->header('Retry-After'), 'Retry-After');
}

is(jobs(), 1, 'there is one job');
isnt(submit('/a?key=other')->json->{id}, $id, 'another string is another job');
wait_job("/jobs/$id");
isnt(submit('/a?key=k')->json->{id}, $id, 'when it has ended there is a new one');



=== TEST 2: an empty string is none
--- no_worker
--- config
    location /a     { async on; async_coalesce $arg_key; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; async_coalesce off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
submit($_) for '/a', '/a', '/a?key=', '/b?key=k', '/b?key=k';
is(jobs(), 5, 'each is a job');



=== TEST 3: strings are those of an owner, or of a client
--- no_worker
--- config
    location /a      { async on; async_coalesce one; async_owner $http_x_user; async_status_uri /jobs/; proxy_pass http://127.0.0.1:1; }
    location /b      { async on; async_coalesce one; async_status_uri /tasks/; proxy_pass http://127.0.0.1:1; }
    location /jobs/  { async_status; async_owner $http_x_user; }
    location /tasks/ { async_status; }
--- check
my %id;
for my $headers (['X-User' => 'ann'], ['X-User' => 'bob'], ['X-User' => 'ann', Authorization => 'x']) {
    $id{submit('/a', headers => $headers)->json->{id}} = 1;
}
is(scalar keys %id, 2, 'two owners, two jobs');
for my $headers ([], [Authorization => 'x'], [Authorization => 'y'], [Authorization => 'x']) {
    $id{submit('/b', headers => $headers)->json->{id}} = 1;
}
is(scalar keys %id, 5, 'and with no owner one for each Authorization');



=== TEST 4: a string is no idempotency key
--- no_worker
--- config
    location /a     { async on; async_coalesce $arg_key; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my @key   = (headers => ['Idempotency-Key' => 'k']);
my $first = submit('/a', @key)->json->{id};
my $other = submit('/a?key=k')->json->{id};
isnt($other, $first, 'they do not meet');
my $again = submit('/a', @key);
is($again->json->{id}, $first, 'the key has its job');
is($again->header('Idempotent-Replayed'), 'true', 'and says so');
my $both = submit('/a?key=k', headers => ['Idempotency-Key' => 'new']);
is($both->json->{id}, $other, 'a new key, an old string: the job of the string');
is($both->header('Idempotent-Replayed'), undef, 'which was not sent before');



=== TEST 5: many at once are one job
--- no_worker
--- config
    location /a     { async on; async_coalesce one; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $request = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
my @sockets = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port) } 1 .. 30;
syswrite $_, $request for @sockets;
my %id;
for my $socket (@sockets) {
    local $/;
    my ($found) = <$socket> =~ /"id":"([^"]+)"/;
    $id{$found // 'none'} = 1;
}
is(scalar keys %id, 1, 'all are answered with one');
is(jobs(), 1, 'there is one');



=== TEST 6: async_coalesce is not empty by configuration
--- config
    location /a     { async on; async_coalesce ""; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_coalesce" has an empty value: write "async_coalesce $request_uri", or "async_coalesce off"



=== TEST 7: a key that comes with a request which was coalesced is the job's from then on
--- config
    location /a     { async on; async_coalesce $arg_key; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $post = sub { submit('/a?key=k&sleep=1', body => 'x', headers => ['Idempotency-Key' => $_[0]]) };
my $id = $post->('one')->json->{id};
for my $key (qw(two three)) {
    my $first = $post->($key);
    is($first->json->{id}, $id, "$key: the job of the string");
    is($first->header('Idempotent-Replayed'), undef, 'which was not sent before');
}
wait_job("/jobs/$id");
for my $key (qw(one two three)) {
    my $again = $post->($key);
    is($again->json->{id}, $id, "$key: the same job, though it has ended");
    is($again->json->{status}, 'completed', 'as it is now');
    is($again->header('Idempotent-Replayed'), 'true', 'and it was sent before');
    is(request('POST', '/a?key=k&sleep=1', body => 'y', headers => ['Idempotency-Key' => $key])->{status}, 422, 'not with another body');
}
is(jobs(), 1, 'there is one job');
