#!/usr/bin/env perl

# async_schedule: what is refused, what the backend gets, and what becomes of
# schedules with nginx.conf.  When they fire: t/fault/schedule.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncSchedule;
use AsyncTest;
use Test::More;


my $server = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name first.example second.example;
        async_status_uri /jobs/;

%%schedules%%

        location / { proxy_pass http://%%BACKEND%%; }

        location /run {
            async on queue=narrow;
            auth_basic closed;
            auth_basic_user_file nobody;
            limit_req zone=none;
            proxy_set_header Host $host;
            proxy_set_header X-From "$remote_addr $scheme $server_port";
            proxy_set_header X-User "[$remote_user]";
            proxy_pass http://%%BACKEND%%;
        }

        location /first {
            async on;
            deny all;
            rewrite ^/first(.*) /second$1 last;
        }

        location /second {
            async on;
            deny all;
            proxy_pass http://%%BACKEND%%;
        }

        location /secret/ { internal; deny all; alias %%ROOT%%/; }
        location /prefer  { async prefer; proxy_pass http://%%BACKEND%%; }
        location /nested  { location ~ \.do$ { async on; return 204; } }
        location = /exact { async on; proxy_pass http://%%BACKEND%%; }
        location ~* ^/re  { async on; proxy_pass http://%%BACKEND%%; }
        location ^~ /rest { proxy_pass http://%%BACKEND%%; }
        location /owned   {
            async on; async_owner $http_x_owner; async_status_uri /own/;
            async_callback http://127.0.0.1:1/; async_callback_allow 127.0.0.1;
            async_callback_secret %%ROOT%%/secret per=owner;
            proxy_pass http://%%BACKEND%%;
        }
        location /own/    { async_status; async_owner $http_x_owner; }
        location /jobs/   { async_status; }
    }
END

my $zones = 'async_queue narrow; '
            . 'limit_req_zone $server_name zone=none:1m rate=1r/m;';
my $t     = AsyncTest->new(workers => 2, http => '');
my $body  = '{"all": true}';
my $every = '"* * * * *"';


# nginx.conf has these schedules
sub conf {
    my $lines = join "\n", map { "        async_schedule $_;" } @_;
    $t->{http} = "$zones\n" . $server =~ s/%%schedules%%/$lines/r;
    $t->write_conf;
}


# --- nginx -t -------------------------------------------------------------

$t->write_file('body.json', $body);
$t->write_file('large', 'x' x 65537);
chmod 0640, $t->write_file('secret',
                           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
$t->start_backend;

for my $case (
    ["n $every",         'invalid number of arguments|needs a name'],
    ["n $every POST",    'needs a name, the times of cron'],
    ["'a b' $every POST /run", 'invalid name "a b"'],
    ['n' x 65 . " $every POST /run", 'write 1 to 64 characters'],
    ['n "61 * * * *" POST /run', 'times "61 \* \* \* \*" of the schedule "n": '
                                 . 'the minute "61" takes 0 to 59'],
    ['n "* 24 * * *" POST /run', 'the hour "24" takes 0 to 23'],
    ['n "* * 32 * *" POST /run', 'the day of the month "32"'],
    ['n "* * * foo *" POST /run', 'the month "foo" takes 1 to 12'],
    ['n "* * * * 8" POST /run',  'the day of the week "8"'],
    ['n "* * * *" POST /run',    'it has 4 fields and not five'],
    ['n "0 0 30 2 *" POST /run', '"30" never comes in the month "2"'],
    ['n @reboot POST /run',      '"@reboot" is none of @hourly'],
    ["n $every post /run",       'invalid method "post"'],
    ["n $every CONNECT /run",    'invalid method "CONNECT"'],
    ["n $every POST run",        'invalid URI "run"'],
    ["n $every POST '/run a'",   'invalid URI "/run a"'],
    ["n $every POST /a/../run",  'is not the shortest'],
    ["n $every POST /run tz=Mars/X",    'there is no time zone "Mars/X"'],
    ["n $every POST /run tz=Europe",    'there is no time zone "Europe"'],
    ["n $every POST /run tz=../passwd", 'is no name of a time zone'],
    ["n $every POST /run tz=",          'it is empty'],
    ["n $every POST /run misfire=no",   'invalid parameter "misfire=no"'],
    ["n $every POST /run overlap=no",   'invalid parameter "overlap=no"'],
    ["n $every POST /run misfire=all misfire=skip",
                                        'comes after "misfire=all"'],
    ["n $every POST /run often",        'invalid parameter "often"'],
    ["n $every POST /run body=none",    '/none" of the schedule "n" cannot'],
    ["n $every POST /run body=%%ROOT%%", 'is no file'],
    ["n $every POST /run body=large",   'has 65537 bytes'],
    ["n $every POST /run type=a/b",     'has nothing to say it of'],
    ["n $every POST /run body=body.json type=json",
                                        'invalid media type "json"'],
    ["n $every POST /",        'location "/" of server "first.example" '
                               . 'answers, and that has no "async on;"'],
    ["n $every POST /prefer",  'location "/prefer" of server'],
    ["n $every POST /jobs/x",  'location "/jobs/" of server'],
    ["n $every POST /rest",    'location "/rest" of server'],
    ["n $every POST /exact/",  'location "/" of server'],
    ["n $every POST /nested/x", 'location "/nested" of server'],
    ["n $every POST /owned",    'the schedule "n" have no owner, and so no key'],
) {
    my ($said, $why) = @$case;
    conf($said);
    my ($code, $out) = $t->nginx_t;
    ok($code != 0 && $out =~ /\[emerg\] .*(?:$why)/, "refused: $said")
        or diag($out);
}

conf("n $every POST /run", "n $every POST /exact");
my ($code, $out) = $t->nginx_t;
like($out, qr/there is another schedule "n"/, 'refused: a name twice');

conf("one $every POST /run");
$t->{http} .= $t->{http} =~ s/.*?(?=    server)//sr
              =~ s/listen .*/listen 127.0.0.1:%%PORT_other%%;/r;
$t->write_conf;
($code, $out) = $t->nginx_t;
like($out, qr/there is another schedule "one"/,
     'refused: a name in two servers');

conf("a $every POST /run%20x?y=/../ tz=Europe/Berlin misfire=all "
     . 'overlap=allow body=body.json type=application/json',
     'b @daily DELETE /exact', "c $every PUT /RE/x",
     "d $every POST /nested/a.do", "e $every POST /first/x");
($code, $out) = $t->nginx_t;
is($code, 0, 'and what is taken') or diag($out);


# --- what the backend gets ------------------------------------------------

# minutes are moments: the clock goes from one to the next
my $s = AsyncSchedule->new($t);

# request line, other lines, body
sub sent {
    my ($run) = $s->runs(@_);
    my ($head, $body) = $t->backend_request($run->{n});
    my ($line, @lines) = split /\r\n/, $head;
    return ($line =~ s/ HTTP.*//r,
            { map { /^(.*?):\s*(.*)$/ ? (lc $1 => $2) : () } @lines }, $body);
}

my $accel = '/second?key=accel&header=X-Accel-Redirect:/secret/body.json';

conf("each $every POST /run?key=each body=body.json "
     . '"type=application/json; charset=utf-8"',
     "empty $every PUT /exact?key=empty", "get $every GET /re?key=get",
     "led $every POST /first/x?key=led", "accel $every POST $accel",
     'later "0 0 1 1 *" POST /run?key=later tz=Europe/Berlin');
$s->start;
$s->before('each');

ok(poll_until(30, sub {
       5 == grep { $_->{status} =~ /completed|failed/ } jobs_in_store($t);
   }), 'all that are due have run');

my %job = map { $_->{uri} =~ /key=(\w+)/ ? ($1 => $_) : () } jobs_in_store($t);
is_deeply([sort keys %job], [qw(accel each empty get led)], 'each once');

my ($line, $head, $sent) = sent('each');
is($line, 'POST /run?key=each', 'the request line');
is($sent, $body, 'its body');
is($head->{'content-type'}, 'application/json; charset=utf-8', 'its type');
is($head->{host}, 'first.example', 'the first name of the server');
is($head->{'x-from'}, '127.0.0.1 http ' . $t->port, 'the client, and the port');
is($head->{'x-user'}, '[]', 'and no user');
is($head->{'idempotency-key'}, "\"$job{each}{id}\"", 'a key');
is($job{each}{queue}, 'narrow', 'the queue of its location');
is($job{each}{status}, 'completed', 'past access control');

my $history = $t->get("/jobs/$job{each}{id}/history")->json->{events};
is($history->[0]{event}, 'queued', 'its history begins');
is($history->[0]{by}, 'schedule:each', 'with who made it');

($line, $head) = sent('empty');
is($line, 'PUT /exact?key=empty', 'without a body');
is($head->{'content-length'}, 0, 'it says that it is empty');

($line, $head) = sent('get');
is($line, 'GET /re?key=get', 'any method will do');
is($head->{'content-length'}, undef, 'GET has no body at all');

($line) = sent('led');
is($line, 'POST /second/x?key=led', 'where a rewrite leads');
is($job{led}{status}, 'completed', 'it is let in, too');

is($job{accel}{status}, 'failed', 'where the backend leads it is not');
is($t->get("/jobs/$job{accel}{id}/result")->{status}, 403,
   'that is guarded as ever');


# --- by hand --------------------------------------------------------------

my $all = $s->all;
is($all->{each}{cron}, '* * * * *', 'the command tells of it');
is($all->{each}{lastJobId}, $job{each}{id}, 'its last job');
is($all->{each}{lastStatus}, 'completed', 'and what became of that');
is($all->{accel}{lastStatus}, 'failed', 'of another');
is($all->{accel}{lastError}, 'backend-status', 'and why');
is($all->{later}{timeZone}, 'Europe/Berlin', 'its zone');
like($all->{later}{nextRunAt}, qr/-12-31T23:00:00.000Z$/, 'its next time');
ok(!exists $all->{later}{lastRunAt}, 'it was never run');

($code, $out) = $t->command('schedules');
like($out, qr/^NAME +TIMES +ZONE +STATE +LAST +RESULT +NEXT\s*$/m, 'a table');
like($out, qr/^later +0 0 1 1 \* +Europe\/Berlin +active +- +- +2\d+-12-31T/m,
     'with a row for each');

my $next = $all->{later}{nextRunAt};
($code, $out) = $t->command('schedules', 'run', 'later');
is($code, 0, 'one is run');
my ($id) = $out =~ /^([0-9a-f-]{36})$/m;
ok(poll_until(30, sub {
       my $answer = $t->get("/jobs/$id");
       return $answer->{status} == 200
              && $answer->json->{status} eq 'completed';
   }), 'the job that it said');
is($s->all->{later}{nextRunAt}, $next, 'its next time stays');
is($s->all->{later}{lastJobId}, $id, 'it is the last');
is($t->get("/jobs/$id/history")->json->{events}[0]{by}, 'schedule:later',
   'made by the schedule');

is(($t->command('schedules', 'pause', 'empty'))[0], 0, 'one is paused');
is($s->all->{empty}{nextRunAt}, undef, 'it has no next time');
$s->before('get');
ok($s->fired('get', 2), 'a minute later another has fired');
is(scalar($s->runs('empty')), 1, 'this one has not');
is(($t->command('schedules', 'run', 'empty'))[0], 0, 'it can be run');
ok($s->fired('empty', 2), 'and is');
is(($t->command('schedules', 'resume', 'empty'))[0], 0, 'it is resumed');
$s->ready('empty');
$s->before('get');
ok($s->fired('empty', 3), 'and fires again');
ok($s->fired('get', 3), 'with the other');

for my $case (['none'], ['run', 'none'], ['pause', 'none'], ['resume', 'x' x 99])
{
    is(($t->command('schedules', @$case))[0], @$case == 2 ? 3 : 2,
       "exit status: schedules @$case");
}


# --- with nginx.conf ------------------------------------------------------

conf("each $every POST /run?key=other",
     'later "0 0 1 1 *" POST /run?key=later', "new $every POST /exact?key=new");
my $before = $s->runs('each');
$t->reload;
$s->ready('new');
$s->before('each');
ok($s->fired('new', 1), 'a new one fires');
ok($s->fired('other', 1), 'one that has changed goes on as it is now');
is(scalar($s->runs('each')), $before, 'and not as it was');
is(scalar($s->runs('empty')) + $s->runs('get'), 6, 'those that left are at rest');
is($t->get("/jobs/$job{empty}{id}")->{status}, 200, 'their past stays');
$all = $s->all;
ok($all->{empty}{removed}, 'and is told of');
is($all->{empty}{nextRunAt}, undef, 'without a next time');
is(($t->command('schedules', 'run', 'empty'))[0], 1, 'it is not run by hand');

$t->stop_worker;
$t->stop_nginx;
$s->start;
$s->before('each');
ok($s->fired('new', 2), 'and goes on after a restart');
ok($s->fired('other', 2), 'both');

$t->{http} = 'server { listen 127.0.0.1:%%PORT%%; return 204; }';
$t->write_conf;
$t->reload;
ok(poll_until(30, sub { !grep { !$_->{removed} } values %{ $s->all } }),
   'where nothing is asynchronous any more all of them are at rest');
is(($t->command('check'))[0], 0, 'the store is sound');
$t->done;


# --- a store with keys ----------------------------------------------------

my $secret = 'a body that nobody should read';
my $c = AsyncTest->new(name => 'schedule-key', workers => 1,
                       store => 'key=%%ROOT%%/one.key', http => <<"END");
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name told.example;
        async_schedule each $every POST /run?x body=secret;

        location /run {
            async on;
            async_callback http://%%BACKEND%%/hook?key=hook;
            async_callback_allow 127.0.0.1;
            async_callback_secret %%ROOT%%/whsec;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

$c->write_file('one.key', join('', map { sprintf '%02x', $_ } 1 .. 32) . "\n");
$c->write_file('secret', $secret);
$c->write_file('whsec', "whsec_" . 'QUJD' x 11 . "\n");
my $k = AsyncSchedule->new($c);
$c->start_backend;
$k->start;
$k->before('each');
ok(poll_until(30, sub { $c->backend_log('answered') }),
   'with a key: it fires');
my ($made) = $c->backend_log('arrived');
is(($c->backend_request($made->{n}))[1], $secret, 'and sends its body');
ok($k->fired('hook', 1), 'a webhook tells of its end');
my ($told) = $k->runs('hook');
like(($c->backend_request($told->{n}))[1],
     qr{"statusUrl":"http://told.example:\d+/jobs/$made->{job}"},
     'with the URL of its job');
unlike(slurp($c->store . '/db/data.mdb'), qr/\Q$secret\E/,
       'which is nowhere in the store');
$c->done;

done_testing;
