# Which job of a queue runs first.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a higher priority runs first, and equal ones in their order
--- http_config
    async_queue one concurrency=1;
--- config
    location /a     { async on queue=one; async_priority $arg_p; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $slow = submit('/a?sleep=1.5&p=9')->json->{statusUrl};
ok(poll_until(10, sub { get($slow)->json->{status} eq 'processing' }), 'the queue is taken');
my @urls = map { submit("/a?p=$_")->json->{statusUrl} } qw(0 4 9 10 x 9);
push @urls, submit('/a')->json->{statusUrl};
wait_job($_) for $slow, @urls;
is(join(' ', map { (seen($_))[0] =~ m{\?p=(\S+)|/a } ? $1 // 'none' : '' } 2 .. 8), '9 9 4 10 x none 0', 'anything but a digit is 4');



=== TEST 2: a priority may be a constant, and is inherited
--- http_config
    async_queue one concurrency=1;
--- config
    async_priority 9;
    location /slow  { async on queue=one; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /low   { async on queue=one; async_priority 0; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /high  { async on queue=one; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $slow = submit('/slow?sleep=1.5')->json->{statusUrl};
ok(poll_until(10, sub { get($slow)->json->{status} eq 'processing' }), 'the queue is taken');
my @urls = map { submit($_)->json->{statusUrl} } qw(/low /high);
wait_job($_) for $slow, @urls;
like((seen(2))[0], qr{^POST /high }, 'the high one');
like((seen(3))[0], qr{^POST /low }, 'then the low one');



=== TEST 3: a priority is a digit
--- config
    location /a     { async on; async_priority 10; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid priority "10": write a digit from 0 to 9, where 9 runs first, or a variable that holds one



=== TEST 4: a priority is no word
--- config
    location /a     { async on; async_priority high; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid priority "high": write a digit from 0 to 9



=== TEST 5: a priority is given once
--- config
    location /a     { async on; async_priority 1; async_priority 2; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_priority" directive is duplicate
