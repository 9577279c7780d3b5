# async_queue: rate and paused.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a paused queue takes jobs and starts none, others go on
--- http_config
    async_queue held paused;
    async_queue free concurrency=4;
--- config
    location /held  { async on queue=held; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /free  { async on queue=free; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $held = submit('/held')->json->{statusUrl};
is(wait_job(submit('/free'))->{status}, 'completed', "other queue's jobs run") for 1 .. 3;
is(get($held)->json->{status}, 'queued', 'those of the paused one wait');
is(executions(), 3, 'the backend has not seen it');
my ($code, $out) = $t->command('resume', 'held');
is($code, 0, 'resume') or diag($out);
is(wait_job($held)->{status}, 'completed', 'then they run');



=== TEST 2: jobs of a queue with a rate are run, one after another
--- http_config
    async_queue slow rate=5r/s;
--- config
    location /a     { async on queue=slow; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @urls = map { submit('/a')->json->{statusUrl} } 1 .. 4;
my @started = sort map { wait_job($_)->{startedAt} } @urls;
my %seen;
ok(!$seen{$_}++, "nothing else starts at $_") for @started;



=== TEST 3: a rate a minute
--- http_config
    async_queue slow rate=60r/m;
--- config
    location /a     { async on queue=slow; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @urls = map { submit('/a')->json->{statusUrl} } 1 .. 2;
is(wait_job($_)->{status}, 'completed', 'run') for @urls;



=== TEST 4: a rate without a unit
--- http_config
    async_queue slow rate=10;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "rate=10": async_queue takes concurrency=8, max_queued=100000 and per_owner=100, whole numbers above 0, rate=10r/s or rate=30r/m, and paused



=== TEST 5: a rate of nothing
--- http_config
    async_queue slow rate=0r/s;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "rate=0r/s": async_queue takes



=== TEST 6: a rate that is no number
--- http_config
    async_queue slow rate=r/s;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "rate=r/s": async_queue takes



=== TEST 7: a rate of another unit
--- http_config
    async_queue slow rate=10r/h;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "rate=10r/h": async_queue takes



=== TEST 8: a rate that nobody can mean
--- http_config
    async_queue slow rate=1000001r/s;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "rate=1000001r/s": async_queue takes



=== TEST 9: paused has no value
--- http_config
    async_queue slow paused=1;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "paused=1": async_queue takes
