package BenchPeers;

# What people use instead, as they would set it up: each is started by
# itself, answers on 127.0.0.1, keeps what it has in a folder of the bench,
# and is as durable as it can be told to be.
#
#   my $peer = BenchPeers->lua($t, workers => 2, jobs => 64);
#   $peer->{submit}, $peer->{status}      URLs; status: of one job
#   @{ $peer->{pids} }                    all its processes
#   $peer->stop;

use strict;
use warnings;

use AsyncTest;
use Bench;
use File::Path qw(make_path);
use IO::Socket::INET;
use Time::HiRes qw(sleep);

my $lua_module = '/usr/lib/nginx/modules/ngx_http_lua_module.so';
my $ndk_module = '/usr/lib/nginx/modules/ndk_http_module.so';
my $nchan      = '/usr/lib/nginx/modules/ngx_nchan_module.so';
my ($postgres) = sort { $b cmp $a } glob '/usr/lib/postgresql/*/bin';

my $next = 0;


sub _new {
    my ($class, $t, $name) = @_;
    my $folder = $t->root . "/$name" . $next++;
    make_path($folder);
    return bless { t => $t, name => $name, folder => $folder, port => {},
                   names => [], pids => [] }, $class;
}


sub port {
    my ($self, $name) = @_;
    return $self->{port}{$name} //= $self->{t}->port("$self->{folder}$name");
}


sub spawn {
    my ($self, $what, @command) = @_;
    my $name = "$self->{name}-$what" . $next++;

    push @{ $self->{names} }, $name;
    push @{ $self->{pids} }, $self->{t}->spawn($name, @command);
    return $name;
}


sub wait_for {
    my ($self, $port) = @_;

    poll_until(60, sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 1);
    }) or die "$self->{name} does not start, see its log in ",
              $self->{t}->root, "\n";
    return;
}


sub stop {
    my ($self) = @_;
    $self->{t}->stop($_, 'TERM', 20) for reverse @{ $self->{names} };
    $self->{pids} = [];
    return;
}


# one of its processes
sub end {
    my ($self, $name) = @_;
    my $pid = $self->{t}->pid($name);
    $self->{t}->stop($name, 'TERM', 20);
    $_ = [grep { $_ ne $name } @$_] for $self->{names};
    $_ = [grep { $_ != $pid } @$_] for $self->{pids};
    return;
}


# one job that is there: its URL
sub submit_one {
    my ($self) = @_;
    my $name   = "$self->{folder}front";
    my $answer = $self->{t}->request('POST', '/reports', port => $name,
                                     body => 'x' x 600);
    die "$self->{name} does not accept a job: ", $answer->{head},
        $answer->{body} if $answer->{status} != 202;
    $self->{status} = "$self->{base}" . $answer->header('Location');
    return $self->{status};
}


sub _front {
    my ($self) = @_;
    my $port = $self->port('front');

    $self->wait_for($port);
    $self->{base}   = "http://127.0.0.1:$port";
    $self->{submit} = "$self->{base}/reports";
    return $self;
}


# --- Redis ----------------------------------------------------------------

# every write is on disk before it is answered
sub _redis {
    my ($self) = @_;
    my $port = $self->port('redis');

    $self->spawn('redis', 'redis-server', '--port', $port, '--bind',
                 '127.0.0.1', '--dir', $self->{folder}, '--save', '',
                 '--appendonly', 'yes', '--appendfsync', 'always',
                 '--maxmemory-policy', 'noeviction');
    $self->wait_for($port);
    return $port;
}


# nginx, Lua and Redis; jobs: so many are run at a time, to backend (a port)
sub lua {
    my ($class, $t, %args) = @_;
    my $self    = $class->_new($t, 'lua');
    my $redis   = $self->_redis;
    my $front   = $self->port('front');
    my $peers   = AsyncTest::top() . '/bench/peers';
    my $jobs    = $args{jobs} || 0;
    my $backend = $args{backend} || 0;

    $self->_nginx($args{workers} || 1, <<"MAIN", <<"HTTP");
load_module $ndk_module;
load_module $lua_module;
MAIN
    lua_package_path "$peers/?.lua;;";
    init_by_lua_block { require("redis").init($redis) }
    init_worker_by_lua_block {
        if ngx.worker.id() == 0 then require("redis").work($backend, $jobs) end
    }
    server {
        listen 127.0.0.1:$front backlog=4096;
        client_body_buffer_size 16k;
        location = /reports { content_by_lua_block { require("redis").submit() } }
        location /jobs/     { content_by_lua_block { require("redis").status() } }
    }
HTTP
    return $self->_front;
}


# a backend that answers 600 bytes, at once or, as /drips, 100 a second; a
# nginx, too
sub backend {
    my ($class, $t) = @_;
    my $self   = $class->_new($t, 'backend');
    my $front  = $self->port('front');
    my $answer = document();

    $self->_nginx(1, '', <<"HTTP");
    server {
        listen 127.0.0.1:$front backlog=4096;
        location / { return 200 '$answer'; }
        location = /drips    { limit_rate 100; return 200 '$answer'; }
        location = /requests { stub_status; }
    }
HTTP
    return $self->_front;
}


# nginx with Nchan, which sends what is published to those who listen
sub nchan {
    my ($class, $t, %args) = @_;
    my $self  = $class->_new($t, 'nchan');
    my $front = $self->port('front');

    $self->{connections} = $args{connections};
    $self->_nginx(1, "load_module $nchan;\n", <<"HTTP");
    server {
        listen 127.0.0.1:$front backlog=4096;
        location = /sub { nchan_subscriber eventsource; nchan_channel_id \$arg_id; }
        location = /pub { nchan_publisher; nchan_channel_id \$arg_id; }
    }
HTTP
    return $self->_front;
}


# nginx as it comes, with files of a folder, and POSTs answered at once
sub plain {
    my ($class, $t, $root) = @_;
    my $self  = $class->_new($t, 'plain');
    my $front = $self->port('front');

    $self->_nginx(1, '', <<"HTTP");
    server {
        listen 127.0.0.1:$front backlog=4096;
        root $root;
        location /reports { return 202 "accepted"; }
        location /static  { }
    }
HTTP
    return $self->_front;
}


sub _figures {
    my ($self) = @_;
    $self->{asked}++;
    return $self->{t}->get('/requests',
                           port => "$self->{folder}front")->{body};
}


# how many it has seen, those that ask it for that left out
sub requests {
    my ($self) = @_;
    my ($n) = $self->_figures =~ /^ \d+ \d+ (\d+)/m;
    return $n - $self->{asked};
}


# that are open, the one that asks left out
sub connections {
    my ($self) = @_;
    my ($n) = $self->_figures =~ /^Active connections: (\d+)/m;
    return $n - 1;
}


sub _nginx {
    my ($self, $workers, $main, $http) = @_;
    my $user = $> == 0 ? "user $self->{t}{user};" : '';
    my $connections = $self->{connections} || 4096;

    chmod 0755, $self->{folder};
    $self->{t}->write_file("$self->{folder}/nginx.conf", <<"END");
$main
$user
daemon off;
worker_processes $workers;
pid nginx.pid;
error_log error.log warn;
events { worker_connections $connections; }
http {
    access_log off;
    client_body_temp_path client_body_temp;
    proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp;
    uwsgi_temp_path uwsgi_temp;
    scgi_temp_path scgi_temp;
    keepalive_requests 100000000;
$http
}
END
    $self->spawn('nginx', '/usr/sbin/nginx', '-p', "$self->{folder}/", '-c',
                 "$self->{folder}/nginx.conf", '-e',
                 "$self->{folder}/error.log");
    return;
}


# --- Node.js --------------------------------------------------------------

sub _node {
    my ($self, $script, @args) = @_;
    my $top = AsyncTest::top();
    return ('env', "NODE_PATH=$top/build/peers/node_modules",
            'NODE_ENV=production', 'node', "$top/bench/peers/$script", @args);
}


# fastify, BullMQ and Redis; servers: processes of fastify, 1
sub bullmq {
    my ($class, $t, %args) = @_;
    my $self  = $class->_new($t, 'bullmq');
    my $redis = $self->_redis;

    $self->spawn('server', $self->_node('bullmq.js', 'server',
                                        $self->port('front'), $redis,
                                        $args{servers} || 1));
    return $self->_front;
}


# its worker, which posts to the backend's port; a name for ->end
sub work {
    my ($self, $backend) = @_;
    return $self->spawn('worker', $self->_node('bullmq.js', 'worker',
                                               "127.0.0.1:$backend",
                                               $self->port('redis')));
}


# fastify, pg-boss and PostgreSQL as it comes (synchronous_commit is on)
sub pgboss {
    my ($class, $t, %args) = @_;
    my $self = $class->_new($t, 'pgboss');
    my $data = "$self->{folder}/data";
    my $run  = "$self->{folder}/run";
    my @as   = $> == 0 ? ('runuser', '-u', 'postgres', '--') : ();

    make_path($data, $run);
    if ($> == 0) {
        my ($uid, $gid) = (getpwnam 'postgres')[2, 3];
        chown $uid, $gid, $data, $run;
    }
    chmod 0755, $self->{folder};
    chmod 0700, $data;
    chmod 0777, $run;

    $self->_done(@as, "$postgres/initdb", '-U', 'bench', '-A', 'trust', '-D',
                 $data);
    $self->spawn('postgres', @as, "$postgres/postgres", '-D', $data, '-k',
                 $run, '-c', 'listen_addresses=');
    poll_until(60, sub { -S "$run/.s.PGSQL.5432" })
        or die "PostgreSQL does not start\n";
    $self->spawn('server', $self->_node('pgboss.js', $self->port('front'),
                                        $run, $args{servers} || 1));
    return $self->_front;
}


sub _done {
    my ($self, @command) = @_;
    my $log = "$self->{folder}/setup.log";
    system('sh', '-c', 'log=$1; shift; cd / && exec "$@" >>"$log" 2>&1',
           'sh', $log, @command) == 0
        or die "@command:\n", slurp($log) // '';
    return;
}


# --- beanstalkd -----------------------------------------------------------

# each job is on disk before it is answered
sub beanstalkd {
    my ($class, $t) = @_;
    my $self = $class->_new($t, 'beanstalkd');
    my $port = $self->port('front');

    $self->spawn('server', 'beanstalkd', '-l', '127.0.0.1', '-p', $port,
                 '-b', $self->{folder}, '-f0');
    $self->wait_for($port);
    $self->{beanstalkd} = $port;
    return $self;
}


1;
