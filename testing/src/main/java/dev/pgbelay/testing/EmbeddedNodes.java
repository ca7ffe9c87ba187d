package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;

/** Starts the servers of a cluster in mode embedded. */
final class EmbeddedNodes {
  private final PostgresCluster cluster;
  private final Map<String, String> configuration;
  private final ServerBinaries binaries;
  private final Path folder;

  EmbeddedNodes(PostgresCluster cluster, Map<String, String> configuration) throws IOException {
    this.cluster = cluster;
    this.configuration = configuration;
    this.binaries = ServerBinaries.unpacked();
    this.folder = ServerFolder.ofThisJvm().newClusterFolder();
  }

  void start(int replicas, boolean throughProxy) throws IOException, SQLException {
    EmbeddedServer first =
        EmbeddedServer.initialised(
            binaries, Files.createDirectory(folder.resolve("primary")), configuration);
    cluster.onClose(first::discard);
    first.start();
    cluster.add(new PostgresNode(cluster, "primary", first, null));
    for (int i = 1; i <= replicas; i++) {
      startReplica(first, "replica" + i, throughProxy);
    }
    cluster.replicas().forEach(PostgresNode::awaitCaughtUp);
  }

  private void startReplica(EmbeddedServer first, String name, boolean throughProxy)
      throws IOException, SQLException {
    Path replicaFolder = Files.createDirectory(folder.resolve(name));
    OsUser.letServerEnter(replicaFolder);
    FaultProxy upstream = null;
    if (throughProxy) {
      upstream = FaultProxy.inFrontOf(first.address());
      cluster.onClose(upstream::close);
    }
    EmbeddedServer replica = new EmbeddedServer(binaries, replicaFolder);
    try (Connection connection = cluster.primary().connect()) {
      BaseBackup.copy(
          connection,
          first.dataFolder(),
          replica.dataFolder(),
          name,
          upstream == null ? first.address() : upstream.address());
    }
    cluster.onClose(replica::discard);
    replica.start();
    cluster.add(new PostgresNode(cluster, name, replica, upstream));
  }
}
