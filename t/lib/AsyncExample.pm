package AsyncExample;

# A file of conf-examples/ as it is, but for its folder (build/demo) and its
# ports; otherwise an AsyncTest.
#
#   my $t = AsyncExample->new('pollers.conf');
#   $t->start;                      # the sample backend, nginx, the worker
#   my @answers = $t->by_hand;      # to the curl lines of the head comment
#   $t->done;
#
# 8080 is $t->port, 8081, where the backend is, $t->port('BACKEND'), any other
# port that the example names $t->port('8443').  What the head comment says to
# do before nginx is started (mkdir, openssl, printf, chmod) is done; <Location> (or
# another header) in its curl lines is that of the last answer that had one.
#
# recorder   AsyncTest's recording backend instead of the sample
# backend    another sample than backend.py

use strict;
use warnings;

use AsyncTest;

our @ISA = qw(AsyncTest);

my %names  = (8080 => '', 8081 => 'BACKEND');
my $beside = qr/auth_basic_user_file|ssl_\w+|include/;


sub new {
    my ($class, $example, %args) = @_;
    my $self = AsyncTest::new($class, example => $example, %args);
    my $conf = $self->example($example);

    ($self->{store_path}) = $conf =~ /^\s*async_store\s+([^\s;]+)/m
        or $self->{store} = undef;
    ($self->{log}) = $conf =~ /^error_log\s+([^\s;]+)/m
        or die "$example has no error_log";
    $self->{listens} = [$conf =~ /^\s*listen\s+127\.0\.0\.1:(\d+)/mg];

    my @listens = $conf =~ /^\s*listen\s/mg;
    die "$example listens elsewhere than on 127.0.0.1"
        if @listens != @{ $self->{listens} };

    # files that lie beside it
    $self->write_file($_, slurp("$self->{top}/conf-examples/$_"))
        for $conf =~ /\sbody=([^\s;\/]+)/g;

    $self->_shell($_) for grep { !/^curl/ } $self->_commands($conf);
    return $self;
}


# a file of conf-examples, with this test's folder and ports
sub example {
    my ($self, $name) = @_;
    my $text = slurp("$self->{top}/conf-examples/$name")
               // die "conf-examples/$name: $!";

    # nginx looks for these beside the file that it reads, not below -p
    die "$name: $1 needs ../build" if $text =~ m{^\s*($beside)\s+build/}m;

    $text =~ s{(?:\.\./)?\bbuild/demo\b}{$self->{root}}g;
    $text =~ s{^load_module\s+\Kbuild/}{$self->{top}/build/}m;
    $text =~ s{\bconf-examples/}{$self->{root}/conf-examples/}g;
    $text =~ s/:(8\d\d\d)\b/':' . $self->port($names{$1} \/\/ $1)/ge;
    return $text;
}


# what the head comment says to type, one entry for each command
sub _commands {
    my ($self, $text) = @_;
    my ($head) = $text =~ /\A((?:#.*\n)+)/ or die 'no head comment';

    $head =~ s/^#[ ]?//mg;
    $head =~ s/\\\n\s*/ /g;
    return $head =~ /^[ ]{4}((?:mkdir|openssl|printf|chmod|curl)\s.*)$/mg;
}


sub _shell {
    my ($self, $command) = @_;
    my $said  = "$self->{root}/shell.log";
    my $shell = <<'END';
        curl() { command curl -sS -m 60 --noproxy '*' "$@"; }
        eval "$0" 2>> "$1"
END

    open my $in, '-|', 'bash', '-c', $shell, $command, $said or die $!;
    my $out = do { local $/; <$in> };

    close $in or die "$command: ", slurp($said);
    return $out // '';
}


# runs the curl lines one after the other: the answers, in order
sub by_hand {
    my ($self) = @_;
    my (%last, @answers);

    for my $line ($self->_commands($self->example($self->{example}))) {
        next if $line !~ /^curl/;
        $line =~ s/<([A-Z][\w-]*)>/$last{$1}/g;

        my $out    = $self->_shell($line);
        my $end    = index $out, "\r\n\r\n";
        my $answer = AsyncTest::Answer->new(substr($out, 0, $end + 4),
                                            substr($out, $end + 4));

        $last{ $_->[0] } = $_->[1] for @{ $answer->{lines} };
        push @answers, $answer;
    }

    return @answers;
}


sub write_conf {
    my ($self) = @_;
    my $user = $> == 0 ? "user $self->{user};" : '';
    return $self->write_file('nginx.conf', "daemon off; $user\n"
                             . $self->example($self->{example}));
}


sub start_backend {
    my ($self) = @_;
    return AsyncTest::start_backend($self) if $self->{recorder};

    my $port = $self->port('BACKEND');
    my $name = $self->{backend} // 'backend.py';
    $self->spawn('backend', 'python3', "$self->{top}/conf-examples/$name",
                 $port);
    $self->_listening($port) or die 'the sample backend does not start: '
                                    . slurp("$self->{root}/backend.log");
    return $self;
}


# of the ports that tests share, those of this nginx
sub _accepts {
    my ($self) = @_;
    my @silent = grep { !$self->_listening($_, 0) } @{ $self->{listens} };
    return !@silent;
}


1;
