package org.storepulse.maven;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.inject.Inject;
import javax.inject.Named;
import javax.inject.Singleton;
import org.eclipse.aether.RepositorySystemSession;
import org.eclipse.aether.artifact.Artifact;
import org.eclipse.aether.impl.ArtifactResolver;
import org.eclipse.aether.internal.impl.DefaultArtifactResolver;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.ArtifactResolutionException;
import org.eclipse.aether.resolution.ArtifactResult;
import org.eclipse.sisu.Priority;

/**
 * Lets Maven use only files whose SHA-256 a list has: jars, poms and plugins, downloaded now or long ago.
 *
 * <p>Maven 3.9 can do this by itself; Debian 12 has 3.8. {@code services/maven/mvn} compiles it and puts it
 * into Maven's core, where every file goes through it before anything reads or runs it. Without a list
 * nothing is used at all. It bears the name of the resolver that it stands before, which makes Maven choose
 * it.
 */
@Named("default")
@Singleton
@Priority(Integer.MAX_VALUE)
public final class TrustedArtifacts implements ArtifactResolver {
  /**
   * The property that names the list: a line is a SHA-256, two blanks, and the path in a Maven repository.
   */
  static final String LIST = "storepulse.checksums";

  /** The property that names a file to write such lines to, instead of comparing. */
  static final String RECORD = "storepulse.checksums.record";

  /** The property that names a file to make once this is in charge, for the script that started Maven. */
  static final String LOADED = "storepulse.checksums.loaded";

  private final DefaultArtifactResolver resolver;
  private final Map<String, String> known = new ConcurrentHashMap<>();
  private Map<String, String> trusted;

  @Inject
  TrustedArtifacts(DefaultArtifactResolver resolver) throws IOException {
    this.resolver = resolver;
    String loaded = System.getProperty(LOADED);
    if (loaded != null) {
      Files.writeString(Path.of(loaded), "");
    }
  }

  @Override
  public ArtifactResult resolveArtifact(RepositorySystemSession session, ArtifactRequest request)
      throws ArtifactResolutionException {
    ArtifactResult result = resolver.resolveArtifact(session, request);
    check(session, List.of(result));
    return result;
  }

  @Override
  public List<ArtifactResult> resolveArtifacts(
      RepositorySystemSession session, Collection<? extends ArtifactRequest> requests)
      throws ArtifactResolutionException {
    List<ArtifactResult> results = resolver.resolveArtifacts(session, requests);
    check(session, results);
    return results;
  }

  private void check(RepositorySystemSession session, List<ArtifactResult> results)
      throws ArtifactResolutionException {
    List<String> complaints = new ArrayList<>();
    for (ArtifactResult result : results) {
      Artifact artifact = result.getArtifact();
      // What this very build has made comes from no repository.
      if (artifact == null || artifact.getFile() == null || session.getWorkspaceReader() != null
          && artifact.getFile().equals(session.getWorkspaceReader().findArtifact(artifact))) {
        continue;
      }
      try {
        String complaint = complaint(path(artifact), artifact.getFile());
        if (complaint != null) {
          complaints.add(complaint);
        }
      } catch (IOException e) {
        complaints.add("cannot read " + artifact.getFile() + " or the list of checksums: " + e);
      }
    }
    if (!complaints.isEmpty()) {
      throw new ArtifactResolutionException(results, String.join("\n", complaints));
    }
  }

  /** What is wrong with a file, or null. */
  private String complaint(String path, File file) throws IOException {
    String have = sha256(file);
    String record = System.getProperty(RECORD);
    if (record != null) {
      if (known.put(path, have) == null) {
        write(record, have + "  " + path + "\n");
      }
      return null;
    }
    String list = System.getProperty(LIST);
    if (list == null) {
      return path + " is not used: no list of checksums is named; run Maven by services/maven/mvn";
    }
    String want = trusted(list).get(path);
    if (have.equals(want)) {
      return null;
    }
    if (want == null) {
      return path + " is not used: services/maven/checksums.sha256 does not have it. If a version was changed on purpose,"
          + " services/pins/maven adds the new files to the list";
    }
    return path + " is not the file that services/maven/checksums.sha256 has: its SHA-256 is " + have + ", not " + want
        + ". It was changed on its way or on this machine. Delete " + file + " and try again; if it comes back the same, the"
        + " repository or mirror serves a file that nobody here has seen: do not use it, and report it as SECURITY.md says";
  }

  private static synchronized void write(String record, String line) throws IOException {
    Files.writeString(Path.of(record), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  private synchronized Map<String, String> trusted(String list) throws IOException {
    if (trusted == null) {
      Map<String, String> read = new HashMap<>();
      for (String line : Files.readAllLines(Path.of(list))) {
        if (line.isBlank() || line.startsWith("#")) {
          continue;
        }
        String[] parts = line.split(" {2}", 2);
        if (parts.length != 2) {
          throw new IOException("`" + line + "` in " + list + " is no checksum with a path");
        }
        read.put(parts[1], parts[0]);
      }
      trusted = read;
    }
    return trusted;
  }

  /** Where a Maven repository keeps it. */
  private static String path(Artifact artifact) {
    String classifier = artifact.getClassifier().isEmpty() ? "" : "-" + artifact.getClassifier();
    return artifact.getGroupId().replace('.', '/')
        + "/" + artifact.getArtifactId() + "/" + artifact.getBaseVersion()
        + "/" + artifact.getArtifactId() + "-" + artifact.getVersion() + classifier + "." + artifact.getExtension();
  }

  private static String sha256(File file) throws IOException {
    try (InputStream input = Files.newInputStream(file.toPath())) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[1 << 16];
      for (int length; (length = input.read(buffer)) > 0; ) {
        digest.update(buffer, 0, length);
      }
      StringBuilder hex = new StringBuilder();
      for (byte value : digest.digest()) {
        hex.append(String.format("%02x", value));
      }
      return hex.toString();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every java platform has SHA-256", e);
    }
  }
}
