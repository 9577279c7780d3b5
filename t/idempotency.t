# A request that is sent again is the same job.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a required key that is missing makes no job
--- no_worker
--- config
    location /a     { async on; async_idempotency $http_idempotency_key required; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; async_idempotency $arg_key required; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
for my $target ('/a', '/b', '/b?key=') {
    my $answer = request('POST', $target, body => 'x');
    is($answer->{status}, 400, "$target: it is refused");
    is($answer->json->{code}, 'idempotency-key-missing', 'code');
}
is(jobs(), 0, 'there is no job');
is(submit('/a', headers => ['Idempotency-Key' => 'k'])->{status}, 202, 'with a key there is');



=== TEST 2: a key that is none makes no job
--- no_worker
--- config
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; async_idempotency $arg_key; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my @bad = ('', '""', '"open', 'x' x 256, "with\ttab", "\x{c3}\x{a9}");
for my $key (@bad) {
    my $answer = request('POST', '/a', headers => ['Idempotency-Key' => $key], body => 'x');
    is($answer->{status}, 400, "'$key' is refused");
    is($answer->json->{code}, 'idempotency-key-invalid', 'code');
}
is(request('POST', '/a', headers => ['Idempotency-Key' => 'a', 'Idempotency-Key' => 'a'], body => '')->{status}, 400, 'two lines are refused');
is(request('POST', '/b?key=' . 'x' x 256, body => '')->{status}, 400, 'of whatever source');
is(jobs(), 0, 'there is no job');
is(submit('/a', headers => ['Idempotency-Key' => 'x' x 255])->{status}, 202, '255 characters are a key');



=== TEST 3: the backend gets the key of the client as it came
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $key ('bare', '"quoted"') {
    wait_job(submit('/a', headers => ['Idempotency-Key' => $key]));
    is_deeply([(seen())[0] =~ /^Idempotency-Key: (.*)\r$/mg], [$key], $key);
}



=== TEST 4: the backend gets a key from elsewhere in the place of the client's
--- config
    location /a     { async on; async_idempotency $http_x_key; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a', headers => ['Idempotency-Key' => 'other', 'X-Key' => 'mi"n\\e']));
is_deeply([(seen())[0] =~ /^Idempotency-Key: (.*)\r$/mg], ['"mi\\"n\\\\e"'], 'quoted');
wait_job(submit('/a', headers => ['Idempotency-Key' => 'other']));
is_deeply([(seen())[0] =~ /^Idempotency-Key: (.*)\r$/mg], ['other'], 'with no key the request is as it came');



=== TEST 5: with off there is no key in force
--- config
    async_idempotency $http_idempotency_key required;
    location /a     { async on; async_idempotency off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($one, $two) = map { submit('/a', headers => ['Idempotency-Key' => '"same"']) } 1, 2;
isnt($one->json->{id}, $two->json->{id}, 'two jobs');
is($two->header('Idempotent-Replayed'), undef, 'no Idempotent-Replayed');
wait_job($one);
is_deeply([(seen(1))[0] =~ /^Idempotency-Key: (.*)\r$/mg], ['"same"'], 'the request is as it came');
wait_job(my $three = submit('/a', headers => ['Idempotency-Key' => '']));
wait_job(submit('/a'));
like((seen())[0], qr/^Idempotency-Key: "[0-9a-f-]{36}"\r$/m, 'without one it is the id of the job');



=== TEST 6: async_idempotency needs a source
--- config
    location /a     { async on; async_idempotency required; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_idempotency" begins with where the key comes from, not with "required": write "async_idempotency $http_idempotency_key required ttl=24h", or "async_idempotency off"



=== TEST 7: async_idempotency refuses a ttl that is none
--- config
    location /a     { async on; async_idempotency $http_idempotency_key ttl=abc; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid time "ttl=abc": write for how long a key is remembered at the least, such as ttl=24h



=== TEST 8: async_idempotency refuses a ttl of nothing
--- config
    location /a     { async on; async_idempotency $http_idempotency_key ttl=0; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid time "ttl=0"



=== TEST 9: async_idempotency refuses what it does not know
--- config
    location /a     { async on; async_idempotency $http_idempotency_key optional; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "optional": async_idempotency takes a string, required and ttl=24h



=== TEST 10: async_idempotency is given once
--- config
    location /a     { async on; async_idempotency off; async_idempotency $arg_k; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_idempotency" directive is duplicate



=== TEST 11: a request that is sent again is answered with the job that it made
--- config
    location /a     { async on; add_header X-Job "$async_job_id $async_job_status" always; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @key = (headers => ['Idempotency-Key' => 'k'], body => 'x');
my $id  = submit('/a', @key)->json->{id};
wait_job("/jobs/$id");
my $again = submit('/a', @key);
is($again->json->{id}, $id, 'the same job');
is($again->json->{status}, 'completed', 'as it is now');
is($again->header('Idempotent-Replayed'), 'true', 'Idempotent-Replayed');
is($again->header('X-Job'), "$id completed", 'variables know it');
is($again->header('Cache-Control'), 'no-store', 'Cache-Control');
like($again->header('Location'), qr{/jobs/$id$}, 'Location');
my $other = request('POST', '/a', @key, body => 'y');
is($other->{status}, 422, 'another body is refused');
is($other->json->{code}, 'idempotency-key-reused', 'code');
is($other->header('Location'), undef, 'no Location');
is(executions(), 1, 'it was run once');
is(jobs(), 1, 'it is one job');



=== TEST 12: many with one key at once are one job
--- no_worker
--- config
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $request = "POST /a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
my @sockets = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port) } 1 .. 30;
syswrite $_, $request for @sockets;
my (%id, $again);
for my $socket (@sockets) {
    local $/;
    my $answer = <$socket>;
    my ($found) = $answer =~ /"id":"([^"]+)"/;
    $id{$found // 'none'} = 1;
    $again++ if $answer =~ /^Idempotent-Replayed: true\r$/m;
}
is(scalar keys %id, 1, 'all are answered with one');
is($again, 29, 'all but one were sent before');
is(jobs(), 1, 'there is one');



=== TEST 13: async_idempotency refuses one key for all
--- config
    location /a     { async on; async_idempotency Idempotency-Key; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_idempotency Idempotency-Key" gives all requests one and the same key: write where each has its own, such as "async_idempotency $http_idempotency_key"
