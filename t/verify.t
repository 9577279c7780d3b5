# async_verify: what nginx -t makes of it.  What it verifies is tested in
# flow/inbox.t.

use strict;
use warnings;

use AsyncNginx;

# prepare: a file of a block, for its owner alone
sub AsyncCheck::write_data {
    my ($name, $text) = @_;
    my $path = "$ENV{TEST_NGINX_DATA}/$name";
    open my $out, '>', $path or die "$path: $!";
    chmod 0600, $path;
    print $out $text;
    close $out or die "$path: $!";
}


my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: no other scheme
--- config
    location /a     { async on; async_verify slack $TEST_NGINX_DATA/s; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: invalid scheme "slack" in "async_verify": write standard, github or stripe



=== TEST 2: no file
--- config
    location /a     { async on; async_verify standard tolerance=1m; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: "async_verify standard" names no file



=== TEST 3: a file that is not there
--- config
    location /a     { async on; async_verify github $TEST_NGINX_DATA/nowhere; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: nowhere": No such file or directory



=== TEST 4: a file that is no secret; what is in it is not told
--- prepare
write_data('bad', "whsec_notasecret\n");
--- config
    location /a     { async on; async_verify standard $TEST_NGINX_DATA/bad; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: bad" does not hold a secret of Standard Webhooks, "whsec_" and base64



=== TEST 5: an empty one
--- prepare
write_data('empty', "\n");
--- config
    location /a     { async on; async_verify github $TEST_NGINX_DATA/empty; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: empty" does not hold the text that was entered as secret



=== TEST 6: a tolerance that is none
--- prepare
write_data('s', "secret\n");
--- config
    location /a     { async on; async_verify stripe $TEST_NGINX_DATA/s tolerance=soon; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: invalid time "tolerance=soon"



=== TEST 7: not beside prefer
--- prepare
write_data('s', "secret\n");
--- config
    location /a     { async prefer; async_verify github $TEST_NGINX_DATA/s; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: "async_verify" and "async prefer" exclude each other in location "/a"



=== TEST 8: not beside a bypass
--- prepare
write_data('s', "secret\n");
--- config
    async_bypass $arg_now;
    location /a     { async on; async_verify github $TEST_NGINX_DATA/s; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: "async_verify" and "async_bypass" exclude each other in location "/a"



=== TEST 9: not where no request becomes a job
--- prepare
write_data('s', "secret\n");
--- config
    location /a     { async_verify github $TEST_NGINX_DATA/s; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: "async_verify" in location "/a" would verify nothing



=== TEST 10: a server's counts in its locations, and can be taken back
--- prepare
write_data('s', "It's a Secret to Everybody\n");
--- config
    async on;
    async_verify github $TEST_NGINX_DATA/s;
    location /a     { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async_verify off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /c     { async off; async_bypass $arg_x; return 200 c; }
    location /jobs/ { async_status; }
--- check
my @signed = ('X-Hub-Signature-256' => 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17');
is(request('POST', '/a', body => 'Hello, World!')->{status}, 401, 'not signed');
is(submit('/a', body => 'Hello, World!', headers => [@signed])->{status}, 202, 'signed');
is(submit('/b', body => 'x')->{status}, 202, 'taken back');
is(get('/c')->{status}, 200, 'async off: left alone');

# the key of each is the default of its own
my @key = (@signed, 'X-GitHub-Delivery' => 'd', 'Idempotency-Key' => 'k');
my @a = map { submit('/a', body => 'Hello, World!', headers => \@key)->json->{id} } 1 .. 2;
my @b = map { submit('/b', body => 'Hello, World!', headers => \@key)->json->{id} } 1 .. 2;
is($a[0], $a[1], 'the id of the message');
is($b[0], $b[1], 'the key of the client');
isnt($a[0], $b[0], 'are not the same');
is(request('POST', '/b', body => 'other', headers => \@key)->{status}, 422, 'and only the latter is one of a request');



=== TEST 11: two tolerances
--- prepare
write_data('s', "secret\n");
--- config
    location /a     { async on; async_verify stripe $TEST_NGINX_DATA/s tolerance=1m tolerance=2m; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- refused: "tolerance=2m" comes after "tolerance=1m", which says the same: write one of them
