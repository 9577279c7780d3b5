# How long a backend may take: as long as async_timeout says, whatever the
# location's own timeouts are.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a backend may be silent for longer than proxy_read_timeout
--- config
    location /a     { async on; proxy_read_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_read_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?sleep=2.5&size=10');
is($job->{status}, 'completed', 'completed');
is($result->{body}, AsyncTest::pattern(10), 'with its answer');
is(executions(), 1, 'once');
is(get('/sync?sleep=2.5')->{status}, 504, 'the synchronous twin is cut');



=== TEST 2: a backend may pause for longer than proxy_read_timeout within its answer
--- config
    location /a     { async on; proxy_read_timeout 1s; proxy_buffering off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; proxy_read_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @jobs = (submit('/a?size=8192&drip=1.5'), submit('/b?size=8192&drip=1.5'));
for my $job (@jobs) {
    my $json = wait_job($job);
    is($json->{status}, 'completed', 'completed');
    is(get($json->{resultUrl})->{body}, AsyncTest::pattern(8192), 'with all of it');
}



=== TEST 3: async_timeout cuts an attempt, and the connection to the backend
--- config
    location /a     { async on; async_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?sleep=30');
is($job->{status}, 'failed', 'failed');
is($job->{error}{code}, 'timeout', 'the code');
ok($job->{error}{detail}, 'a sentence');
ok(!exists $job->{$_}, "no $_") for qw(resultUrl resultStatus);
is($result->{status}, 504, 'the result is 504');
is($result->json->{code}, 'timeout', 'with the code');
is($result->json->{jobId}, $job->{id}, 'and the job');
is($result->header('Async-Result'), undef, 'and no Async-Result');
my $id = $job->{id};
ok(poll_until(10, sub { grep { $_->{job} && $_->{job} eq $id } $t->backend_log('gone') }), 'the backend was left');
is(executions(), 1, 'it was not asked again');



=== TEST 4: async_timeout cuts an answer that drips
--- config
    location /a     { async on; async_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = wait_job(submit('/a?size=400000&drip=0.3'));
is($job->{status}, 'failed', 'failed');
is($job->{error}{code}, 'timeout', 'the code');
ok(!exists $job->{resultUrl}, 'half an answer is no result');



=== TEST 5: a job that is cut does not hold up the next
--- http_config
    async_queue one concurrency=1;
--- config
    location /a     { async on queue=one; async_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @jobs = map { submit($_) } '/a?sleep=30', '/a';
is(wait_job($jobs[0])->{error}{code}, 'timeout', 'the first is cut');
is(wait_job($jobs[1])->{status}, 'completed', 'the second runs');



=== TEST 6: the timeout of a job is that of the location that accepted it
--- config
    async_timeout 20s;
    location /short { async on; async_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /long  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @jobs = map { submit($_) } '/short?sleep=2', '/long?sleep=2';
is(wait_job($jobs[0])->{error}{code}, 'timeout', 'its own');
is(wait_job($jobs[1])->{status}, 'completed', 'the inherited one');



=== TEST 7: waiting in the queue is not part of the timeout
--- http_config
    async_queue one concurrency=1;
--- config
    location /a     { async on queue=one; async_timeout 3s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @jobs = map { submit('/a?sleep=1.5') } 1 .. 3;
is(wait_job($_)->{status}, 'completed', 'completed') for @jobs;
is(executions(), 3, 'once each');



=== TEST 8: a timeout of nginx on the way to the backend is no timeout of the job
--- config
    location /a     { async on; async_retry off; proxy_connect_timeout 1s; proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_2; }
    location /jobs/ { async_status; }
--- check
# nobody takes what connects here, and the queue of those who wait is full
my $port   = $t->port(2);
my $deaf   = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 1, ReuseAddr => 1) or die $!;
my @waiting;
for (1 .. 8) {
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Blocking => 0);
    push @waiting, $socket if $socket;
}
my $job = wait_job(submit('/a'));
is($job->{status}, 'failed', 'failed');
is($job->{error}{code}, 'backend-unreachable', 'the backend was not reached');
