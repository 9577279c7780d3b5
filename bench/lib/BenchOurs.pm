package BenchOurs;

# An nginx with the module, as the rows of the bench want it, and what stands
# beside it in the same nginx: the same bytes from a bare "return".
#
#   my $ours = BenchOurs->new('polls', workers => 1);
#   $ours->{url}                   http://127.0.0.1:port
#   $ours->pids                    nginx, and the worker if it runs
#
#   /reports    jobs that wait for ever      /run     jobs for the backend
#   /keyed      the first, with owner and    /owned   its jobs
#               Idempotency-Key              /slow    a backend that drips
#   /jobs/      all of them                  /static  a small file
#   /board/     the dashboard
#   /bare/200, /bare/202                     what it is given for ->bare

use strict;
use warnings;

use AsyncTest;
use BenchPeers;
use File::Copy qw(copy);
use JSON::PP ();
use Time::HiRes qw(time);


# workers: of nginx, 1; connections: of each; store: as in AsyncTest;
# count_syncs: see ->syncs
sub new {
    my ($class, $name, %args) = @_;
    my $self = bless { name => "bench-$name", %args }, $class;
    my $t = $self->{t} = AsyncTest->new(
        name => $self->{name}, workers => $args{workers} || 1,
        connections => $args{connections} || 4096,
        store => $args{store} // '',
        http => '');

    $self->{behind}  = BenchPeers->backend($t);
    $self->{backend} = '127.0.0.1:' . $self->{behind}->port('front');
    $self->{bare}    = {};
    $t->write_file('html/static/file', 'x' x 600);
    $self->_configure;
    $self->_count_syncs if $args{count_syncs};
    $t->start_nginx;
    delete @ENV{qw(LD_PRELOAD BENCH_SYNCS)};
    $self->{url} = 'http://127.0.0.1:' . $t->port;
    return $self;
}


sub _configure {
    my ($self) = @_;
    my $bare = join '', map {
        my ($status, $answer) = ($_, $self->{bare}{$_});
        my $headers = join '', map { "add_header $_->[0] '$_->[1]' always; " }
                      @{ $answer->{headers} };
        "location /bare/$status { default_type '$answer->{type}'; $headers"
        . "return $status '$answer->{body}'; }\n";
    } sort keys %{ $self->{bare} };

    $self->{t}{http} = <<"END";
    async_queue parked  paused concurrency=64 max_queued=1000000000;
    async_queue running concurrency=64 max_queued=1000000000;
    async_queue slow    concurrency=256;
    access_log off;
    keepalive_requests 100000000;
    client_body_buffer_size 16k;

    # as the peers talk to it
    upstream behind { server $self->{backend}; keepalive 64; }
    proxy_http_version 1.1;
    proxy_set_header   Connection "";

    server {
        listen 127.0.0.1:%%PORT%% backlog=4096;
        root %%ROOT%%/html;
        async_status_uri /jobs/;

        location /reports { async on queue=parked;  proxy_pass http://$self->{backend}; }
        location /run     { async on queue=running; proxy_pass http://behind; }
        location /slow    { async on queue=slow;    proxy_pass http://$self->{backend}/drips; }
        location /keyed {
            async             on queue=parked;
            async_owner       \$http_x_owner;
            async_idempotency \$http_idempotency_key;
            async_status_uri  /owned/;
            proxy_pass        http://$self->{backend};
        }
        location /jobs/  { async_status; async_wait 0 max=3600s; }
        location /owned/ { async_status; async_owner \$http_x_owner; }
        location /board/ { async_dashboard; }
        location /metrics { async_metrics; }
        location /static { }
        location /figures { stub_status; }
        $bare
    }
END
    return;
}


# from here on /bare/<status> gives the bytes of this answer
sub imitate {
    my ($self, $answer) = @_;
    my %own = map { $_ => 1 } qw(server date connection content-length
                                 content-type);

    $self->{bare}{ $answer->{status} } = {
        type    => $answer->header('Content-Type'),
        body    => $answer->{body},
        headers => [grep { !$own{ lc $_->[0] } } @{ $answer->{lines} }],
    };
    $self->_configure;
    $self->{t}->reload;
    return $self;
}


sub pids {
    my ($self) = @_;
    return grep { defined } map { $self->{t}->pid($_) } qw(nginx worker);
}


sub stop { return $_[0]{t}->stop_all }


sub submit {
    my ($self, $target, %args) = @_;
    return $self->{t}->submit($target, body => 'x' x 600, %args);
}


# one that has completed, its id; the worker runs only meanwhile
sub complete_one {
    my ($self) = @_;
    my $t = $self->{t};

    $t->start_worker;
    my $job = $t->wait_job($self->submit('/run'));
    $t->stop_worker;
    die 'the job has not completed' if $job->{status} ne 'completed';
    return $job->{id};
}


# so many more like it; a file with their ids
sub fill {
    my ($self, $id, $count) = @_;
    my $file = $self->{t}->root . '/ids';
    my $top  = AsyncTest::top();

    system('sh', '-c', 'exec "$1" "$2" "$3" "$4" >>"$5"', 'sh',
           "$top/build/bench/fill", $self->{t}->store, $id, $count, $file)
        == 0 or die "the store cannot be filled\n";
    return $file;
}


# --- what was written -----------------------------------------------------

sub _count_syncs {
    my ($self) = @_;
    $ENV{LD_PRELOAD}  = AsyncTest::top() . '/build/bench/count_syncs.so';
    $ENV{BENCH_SYNCS} = $self->{t}->write_file('syncs', "\0" x 8);
    chmod 0666, $ENV{BENCH_SYNCS};
    return;
}


# so many times nginx has synced a file
sub syncs {
    my ($self) = @_;
    return unpack 'Q<', slurp($self->{t}->root . '/syncs');
}


# so many transactions the store has seen
sub commits {
    my ($self) = @_;
    my $db = $self->{t}->store . '/db';
    my ($last) = `mdb_stat -e $db` =~ /Last transaction ID: (\d+)/
        or die "mdb_stat says nothing of $db\n";
    return $last;
}


# of all jobs that are stored
sub ids {
    my ($self) = @_;
    my $probe = AsyncTest::top() . '/build/store-probe';
    my $store = $self->{t}->store;
    return map { /^\{"id":"([^"]+)"/ } `$probe jobs $store`;
}


# --- loads ----------------------------------------------------------------

sub script {
    my ($self, $name, $text) = @_;
    return $self->{t}->write_file($name, $text);
}


# for wrk: a POST of 600 bytes, with more headers if given
sub post {
    my ($self, %headers) = @_;
    my $lines = join '', map { "wrk.headers[\"$_\"] = \"$headers{$_}\"\n" }
                sort keys %headers;
    return $self->script('post.lua', <<"END");
wrk.method = "POST"
wrk.body   = string.rep("x", 600)
$lines
END
}


# the same, each with a key of its own, and one of 1,000 owners; the names of
# both headers are given, so that another load can do the same and mean
# nothing by it
sub post_keyed {
    my ($self, $file, $key, $owner, $path) = @_;
    my $start = int(time * 1000);
    return $self->script($file, <<"END");
local n = 0
local body = string.rep("x", 600)
math.randomseed($start)
local run = string.format("%d-%d-", os.time(), math.random(1000000))
request = function()
    n = n + 1
    return wrk.format("POST", "$path",
        { ["$key"] = run .. n, ["$owner"] = "owner" .. n % 1000 }, body)
end
END
}


# GET of one after the other of the ids in the file, at random; of many, a
# million that lie evenly among them, which is what Lua can hold
sub random_ids {
    my ($self, $file, $ids, $prefix) = @_;
    my ($count) = `wc -l <$ids` =~ /(\d+)/;
    my $step    = 1 + int(($count - 1) / 1_000_000);
    return $self->script($file, <<"END");
local ids = {}
local n = 0
for line in io.lines("$ids") do
    if n % $step == 0 then ids[#ids + 1] = line end
    n = n + 1
end
math.randomseed(os.time())
request = function()
    return wrk.format("GET", "$prefix" .. ids[math.random(#ids)])
end
END
}


1;
